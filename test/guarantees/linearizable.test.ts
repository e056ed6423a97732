// Concurrent clients set, delete and read keys, with and without `expect`, while channels and stores are evicted. For
// each key, one order of all calls must explain every response. A store that sometimes ignores a condition is detected.

import { createExecutionContext, evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { Operation } from "../../memory/store/store.ts";
import { app } from "../../worker/app.ts";
import { type Call, findViolation, type State } from "../support/check-linearizable.ts";
import { freshKey } from "../support/client.ts";
import { channelOf, evictStore } from "../support/engine.ts";
import { createRandom, type Random } from "../support/random.ts";
import { subscribe } from "../support/subscriber.ts";

const CLIENTS = 6;
const CALLS_EACH = 30;
const KEYS = 3;

type Send = (path: string, body?: object) => Promise<Response>;

const through =
  (bindings: Env): Send =>
  async (path, body) => {
    const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
    const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
    return app.fetch(new Request(`http://memx${path}`, init), bindings, createExecutionContext());
  };

/** The last state of a key that a client has seen, and its revision. */
type Known = { readonly state: State; readonly revision: number };
type Current = { value: string; revision: number } | null;

const known = (current: Current | undefined): Known => ({
  state: current?.value ?? null,
  revision: current?.revision ?? 0,
});

/** One client, whose next call depends on what it has seen. Adds each call to the history of its key. */
async function run(name: string, send: Send, random: Random, histories: ReadonlyMap<string, Call[]>): Promise<void> {
  const seen = new Map<string, Known>();
  for (let n = 0; n < CALLS_EACH; n++) {
    const key = random.pick([...histories.keys()]);
    const { state, revision } = seen.get(key) ?? { state: null, revision: 0 };
    const expecting = random.chance(0.7);
    const kind = random.pick(["set", "set", "set", "get", "delete"] as const);
    const value = `${name}.${n}`;
    const call = { key, ...(kind === "set" && { value }), ...(expecting && { expect: revision }) };
    const begun = performance.now();
    const response = await (kind === "get" ? send(`/get?key=${key}`) : send(`/${kind}`, call));
    const body = (await response.json()) as never;
    const ended = response.status === 503 ? Number.POSITIVE_INFINITY : performance.now();
    // A read that failed says nothing about the key.
    if (kind === "get" && response.status === 503) continue;
    const after: State = kind === "set" ? value : null;
    const step = (current: State): State | undefined => {
      const holds = !expecting || current === state;
      if (response.status === 503) return holds ? after : undefined;
      if (kind === "get") return current === known(body).state ? current : undefined;
      if (response.status === 409) {
        return !holds && current === known((body as { current: Current }).current).state ? current : undefined;
      }
      if (!holds) return undefined;
      if (kind === "delete" && (body as { deleted: boolean }).deleted !== (current !== null)) return undefined;
      return after;
    };
    const condition = expecting ? ` expecting ${state}` : "";
    const told = `${kind} ${kind === "set" ? value : ""}${kind === "get" ? "" : condition} → ${response.status} ${JSON.stringify(body)}`;
    histories.get(key)?.push({ begun, ended, step, told });
    if (response.status === 409) seen.set(key, known((body as { current: Current }).current));
    else if (kind === "get") seen.set(key, known(body));
    else if (response.status === 200)
      seen.set(key, { state: after, revision: after === null ? 0 : (body as { revision: number }).revision });
    else if (response.status !== 503) throw new Error(told);
  }
}

async function record(send: Send, seed: string, disturb: (keys: readonly string[]) => Promise<void>) {
  const histories = new Map<string, Call[]>(Array.from({ length: KEYS }, () => [freshKey(), []]));
  const keys = [...histories.keys()];
  for (const key of keys) await subscribe(key);
  let over = false;
  const disturbing = (async () => {
    while (!over) await disturb(keys);
  })();
  const random = createRandom(seed);
  const clients = Array.from({ length: CLIENTS }, (_, n) => run(`c${n}`, send, random.fork(String(n)), histories));
  await Promise.all(clients);
  over = true;
  await disturbing;
  return [...histories.values()];
}

const evictAll = async (keys: readonly string[]) => {
  await scheduler.wait(5);
  for (const evict of [evictStore, ...keys.map((key) => () => evictDurableObject(channelOf(key)))]) {
    await evict().catch(() => {
      // The object has not run since the last eviction.
    });
  }
};

it("explains every response by one order of all calls, while channels and stores are evicted", async () => {
  const told = [];
  for (let seed = 1; seed <= 10; seed++) {
    for (const history of await record(through(env), `seed ${seed}`, evictAll)) {
      expect(findViolation(history), `seed ${seed}`).toBeUndefined();
      told.push(...history.map((call) => call.told));
    }
  }
  // The run must contain enough of the cases that this test is about.
  expect(told.length).toBeGreaterThan(1_000);
  expect(told.filter((text) => text.includes("→ 409")).length).toBeGreaterThan(100);
  expect(told.filter((text) => text.includes('"deleted":true')).length).toBeGreaterThan(50);
});

/** A store that ignores one condition in ten. */
function forgetful(random: Random): Env {
  const EMBEDDED_STORE = {
    idFromName: (name: string) => name,
    get(name: string) {
      const object = env.EMBEDDED_STORE.getByName(name);
      return {
        readEntry: (key: string) => object.readEntry(key),
        write: (operations: readonly Operation[]) =>
          object.write(
            operations.map((operation) => (random.chance(0.1) ? { ...operation, expect: undefined } : operation)),
          ),
      };
    },
  };
  return { ...env, UPSTASH_REDIS_REST_URL: "", UPSTASH_REDIS_REST_TOKEN: "", EMBEDDED_STORE } as never;
}

it("finds no such order for a store that sometimes ignores a condition", async () => {
  const send = through(forgetful(createRandom("forgetful")));
  const histories = await record(send, "seed 1", () => scheduler.wait(5));
  expect(histories.map(findViolation).filter((violation) => violation !== undefined)).not.toEqual([]);
});

it.each<[string, boolean, readonly (readonly [begun: number, ended: number, what: string])[]]>([
  [
    "a read of what was written before",
    true,
    [
      [0, 1, "set a"],
      [2, 3, "get a"],
    ],
  ],
  [
    "a read of nothing after a write",
    false,
    [
      [0, 1, "set a"],
      [2, 3, "get null"],
    ],
  ],
  [
    "a read of nothing during a write",
    true,
    [
      [0, 3, "set a"],
      [1, 2, "get null"],
    ],
  ],
  [
    "two reads that see a write come and go",
    false,
    [
      [0, 9, "set a"],
      [1, 2, "get a"],
      [3, 4, "get null"],
    ],
  ],
  [
    "a read of an older value",
    false,
    [
      [0, 1, "set a"],
      [2, 3, "set b"],
      [4, 5, "get a"],
    ],
  ],
  [
    "a write without a response that took effect late",
    true,
    [
      [0, Infinity, "set a"],
      [1, 2, "get null"],
      [3, 4, "get a"],
    ],
  ],
  [
    "a write without a response that never took effect",
    true,
    [
      [0, Infinity, "set a"],
      [1, 2, "get null"],
    ],
  ],
])("judges %s", (_, linearizable, history) => {
  const calls = history.map(([begun, ended, told]): Call => {
    const [kind, value = ""] = told.split(" ");
    const state = value === "null" ? null : value;
    return { begun, ended, told, step: (current) => (kind === "set" || current === state ? state : undefined) };
  });
  expect(findViolation(calls) === undefined).toBe(linearizable);
});
