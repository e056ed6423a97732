// Concurrent clients set, delete and read keys, with and without `expect`, while channels and stores are evicted: for each key
// there is one order of all calls that explains every answer. A store that forgets a condition now and then is found out.

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

/** What a client knows that a key held, and under which revision. */
type Known = { readonly state: State; readonly revision: number };
type Told = { value: string; revision: number } | null;

const known = (told: Told | undefined): Known => ({ state: told?.value ?? null, revision: told?.revision ?? 0 });

/** One client: what it does next depends on what it has seen. Adds each of its calls to the history of its key. */
async function run(name: string, send: Send, random: Random, histories: ReadonlyMap<string, Call[]>): Promise<void> {
  const seen = new Map<string, Known>();
  for (let n = 0; n < CALLS_EACH; n++) {
    const key = random.pick([...histories.keys()]);
    const { state, revision } = seen.get(key) ?? { state: null, revision: 0 };
    const expecting = random.chance(0.7);
    const kind = random.pick(["set", "set", "set", "get", "delete"] as const);
    const value = `${name}.${n}`;
    const body = { key, ...(kind === "set" && { value }), ...(expecting && { expect: revision }) };
    const begun = performance.now();
    const response = await (kind === "get" ? send(`/get?key=${key}`) : send(`/${kind}`, body));
    const answer = (await response.json()) as never;
    const ended = response.status === 503 ? Number.POSITIVE_INFINITY : performance.now();
    // Only then a read has something to tell.
    if (kind === "get" && response.status === 503) continue;
    const after: State = kind === "set" ? value : null;
    const step = (current: State): State | undefined => {
      const holds = !expecting || current === state;
      if (response.status === 503) return holds ? after : undefined;
      if (kind === "get") return current === known(answer).state ? current : undefined;
      if (response.status === 409) {
        return !holds && current === known((answer as { current: Told }).current).state ? current : undefined;
      }
      if (!holds) return undefined;
      if (kind === "delete" && (answer as { deleted: boolean }).deleted !== (current !== null)) return undefined;
      return after;
    };
    const condition = expecting ? ` expecting ${state}` : "";
    const told = `${kind} ${kind === "set" ? value : ""}${kind === "get" ? "" : condition} → ${response.status} ${JSON.stringify(answer)}`;
    histories.get(key)?.push({ begun, ended, step, told });
    if (response.status === 409) seen.set(key, known((answer as { current: Told }).current));
    else if (kind === "get") seen.set(key, known(answer));
    else if (response.status === 200)
      seen.set(key, { state: after, revision: after === null ? 0 : (answer as { revision: number }).revision });
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
      // It is not running, since the last time.
    });
  }
};

it("explains every answer by one order of all calls, while channels and stores are evicted", {
  timeout: 60_000,
}, async () => {
  const told = [];
  for (let seed = 1; seed <= 10; seed++) {
    for (const history of await record(through(env), `seed ${seed}`, evictAll)) {
      expect(findViolation(history), `seed ${seed}`).toBeUndefined();
      told.push(...history.map((call) => call.told));
    }
  }
  // It has seen what it is about.
  expect(told.length).toBeGreaterThan(1_000);
  expect(told.filter((text) => text.includes("→ 409")).length).toBeGreaterThan(100);
  expect(told.filter((text) => text.includes('"deleted":true')).length).toBeGreaterThan(50);
});

/** A store that passes over one condition in ten. */
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

it("does not explain those of a store that forgets a condition now and then", { timeout: 60_000 }, async () => {
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
    "a write without an answer that took effect late",
    true,
    [
      [0, Infinity, "set a"],
      [1, 2, "get null"],
      [3, 4, "get a"],
    ],
  ],
  [
    "a write without an answer that never took effect",
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
