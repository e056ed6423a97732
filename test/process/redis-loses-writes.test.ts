// Redis crashes and comes back without its last acknowledged writes, as with `appendfsync everysec` or snapshots. memX
// notices: no revision names two values, and every subscriber sees what the store has, or is told `reset`.

import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { amount } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { dataFolder } from "./support/dev-server.ts";
import { command } from "./support/redis-command.ts";
import { startWorkerd, type Workerd } from "./support/workerd.ts";

const RESTARTS = amount(3, 50);
const KEYS = Array.from({ length: 6 }, (_, n) => `key-${n}`);
const HEADERS = { "x-api-key": "local_dev_key", "content-type": "application/json" };

let redis: RedisServer;
let bridge: RedisBridge;
let memx: Workerd;

beforeEach(async () => {
  for (const method of ["log", "warn"] as const) vi.spyOn(console, method).mockImplementation(() => undefined);
  redis = await startRedisServer({ args: ["--dir", dataFolder()] });
  bridge = await startRedisBridge({ redisUrl: redis.url, port: 0 });
  memx = await startWorkerd({
    bindings: {
      UPSTASH_REDIS_REST_URL: bridge.url,
      UPSTASH_REDIS_REST_TOKEN: bridge.token,
      // Channels compare themselves with the store twice as often as API keys are checked.
      REVOCATION_SECONDS: "1",
    },
  });
});

afterEach(async () => {
  await bridge?.close();
  await redis?.stop("SIGKILL");
  vi.restoreAllMocks();
});

const keep = () => command(redis.url, "SAVE");

/** Ends Redis at once, starts it on what it has kept, and waits until the bridge has reconnected. */
async function lose(): Promise<void> {
  const { port } = redis;
  await redis.stop("SIGKILL");
  redis = await startRedisServer({ port, args: ["--dir", dataFolder()] });
  await expect.poll(async () => (await call("GET", "/get?key=any")).status).toBe(200);
}

type Change = {
  readonly event: "value" | "schema";
  readonly action: string;
  readonly key: string;
  readonly value?: unknown;
  readonly schema?: unknown;
  readonly revision: number;
};

/** What each revision has named, in responses and in events. */
class Revisions {
  readonly #named = new Map<number, string>();

  add({ revision, event, key, action, value, schema }: Change): void {
    const name = JSON.stringify([event, key, action, value ?? schema ?? null]);
    const known = this.#named.get(revision);
    if (known !== undefined) expect(name, `revision ${revision} names two changes`).toBe(known);
    this.#named.set(revision, name);
  }
}

/** Keeps the values and schemas that a subscriber believes in. */
class Replica {
  readonly current = new Map<string, string>();
  resets = 0;
  ready = 0;
  readonly #socket: WebSocket;

  constructor(path: string, revisions: Revisions) {
    const key = Buffer.from("local_dev_key").toString("base64url");
    this.#socket = new WebSocket(memx.url.replace("http", "ws") + path, ["memx.v1", `memx.key.${key}`]);
    this.#socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data as string);
      if (message.event === "reset") {
        this.resets++;
        this.current.clear();
      } else if (message.event === "ready") this.ready++;
      else {
        revisions.add(message);
        this.#apply(message);
      }
    });
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  close(): void {
    this.#socket.close();
  }

  #apply({ event, action, key, value, schema, revision }: Change): void {
    const name = `${event} ${key}`;
    if (action === "set") this.current.set(name, JSON.stringify([revision, value ?? schema]));
    else this.current.delete(name);
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }> {
  const response = await fetch(memx.url + path, {
    method,
    headers: HEADERS,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
}

/** What the store has of the keys, as a replica keeps it. */
async function stored(keys: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const { body } = await call<{ entries: ({ revision: number; value: unknown } | null)[] }>("POST", "/read", { keys });
  for (const [index, entry] of body.entries.entries()) {
    if (entry) found.set(`value ${keys[index]}`, JSON.stringify([entry.revision, entry.value]));
    const schema = await call<{ revision: number; schema: unknown }>("GET", `/schema?key=${keys[index]}`);
    if (schema.status === 200) {
      found.set(`schema ${keys[index]}`, JSON.stringify([schema.body.revision, schema.body.schema]));
    }
  }
  return found;
}

const sorted = (map: Map<string, string>) => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));

let writes = 0;

/** Makes some change, and waits until it was acknowledged. */
async function write(key: string, revisions: Revisions): Promise<void> {
  const n = ++writes;
  const [event, method, path, body] =
    n % 7 === 3
      ? (["schema", "POST", "/schema", { key, schema: { title: `schema ${n}` } }] as const)
      : n % 7 === 5
        ? (["value", "POST", "/delete", { key }] as const)
        : (["value", "POST", "/set", { key, value: `value ${n}` }] as const);
  const { status, body: reply } = await call<{ revision: number; deleted?: boolean }>(method, path, body);
  expect(status, JSON.stringify(reply)).toBe(200);
  if (reply.deleted === false) return;
  const action = path === "/delete" ? "delete" : "set";
  revisions.add({ ...body, event, action, revision: reply.revision });
}

async function writeSome(count: number, revisions: Revisions): Promise<void> {
  for (let n = 0; n < count; n++) await write(KEYS[Math.floor(Math.random() * KEYS.length)] as string, revisions);
}

it(`is noticed ${RESTARTS} times: no revision names two values, and every subscriber is right or was reset`, {
  tags: ["long"],
}, async () => {
  const revisions = new Revisions();
  const watcher = new Replica("/watch?pattern=*&event=all&since=0", revisions);
  const subscribers = KEYS.map((key) => new Replica(`/subscribe/${key}?event=all&since=0`, revisions));
  const replicas = [watcher, ...subscribers];
  await expect.poll(() => replicas.every(({ ready }) => ready > 0)).toBe(true);
  /** Waits until all replicas have what the store has. */
  const agree = async () => {
    const all = await stored(KEYS);
    await expect.poll(() => sorted(watcher.current), { timeout: LONG_PATIENCE_MS }).toEqual(sorted(all));
    for (const [index, key] of KEYS.entries()) {
      const own = sorted(all).filter(([name]) => name.endsWith(` ${key}`));
      await expect
        .poll(() => sorted(subscribers[index]?.current as Map<string, string>), { timeout: LONG_PATIENCE_MS })
        .toEqual(own);
    }
  };
  await writeSome(12, revisions);
  for (let restart = 0; restart < RESTARTS; restart++) {
    await agree();
    await keep();
    const resets = replicas.reduce((sum, each) => sum + each.resets, 0);
    const losses = restart % 3 === 2 ? 0 : 1 + Math.floor(Math.random() * 8);
    await writeSome(losses, revisions);
    if (restart % 2 === 0) await agree();
    await lose();
    // As many as were lost, and more or less.
    await writeSome(Math.floor(Math.random() * 2 * (losses + 1)), revisions);
    await agree();
    if (losses === 0) expect(replicas.reduce((sum, each) => sum + each.resets, 0)).toBe(resets);
  }
  expect(replicas.every(({ open }) => open)).toBe(true);
  expect(watcher.resets).toBeGreaterThan(0);
  for (const replica of replicas) replica.close();
});

it("does not let a lost revision in `expect` match another value", async () => {
  const set = async (value: string, expected?: number) =>
    call<{ revision: number; code?: string }>("POST", "/set", { key: "lock", value, expect: expected });
  await set("free");
  await keep();
  const { body: mine } = await set("mine");
  await lose();
  const theirs = await set("theirs");
  expect(theirs.status).toBe(200);
  expect(theirs.body.revision).toBeGreaterThan(mine.revision);
  for (let n = 0; n < 5; n++) {
    const late = await set("mine again", mine.revision);
    expect([late.status, late.body.code]).toEqual([409, "conflict"]);
    await set(`theirs ${n}`);
  }
});

it("is noticed after a failover to a lagging replica and back, although the process is the same", async () => {
  const replica = await startRedisServer();
  onTestFinished(() => replica.stop("SIGKILL"));
  const follow = async (follower: RedisServer, primary: RedisServer) => {
    await command(follower.url, "REPLICAOF", "127.0.0.1", String(primary.port));
    await expect
      .poll(async () => String(await command(follower.url, "INFO", "replication")), { timeout: LONG_PATIENCE_MS })
      .toMatch(/master_link_status:up[\s\S]*master_sync_in_progress:0/);
  };
  const set = async (value: string) => {
    const { status, body } = await call<{ revision: number }>("POST", "/set", { key: "a", value });
    expect(status).toBe(200);
    return body.revision;
  };
  const revisions = new Revisions();
  const kept = await set("kept");
  const subscriber = new Replica("/subscribe/a?since=0", revisions);
  await expect.poll(() => subscriber.ready).toBe(1);
  await follow(replica, redis);
  await command(replica.url, "REPLICAOF", "NO", "ONE");
  const lost = [await set("lost"), await set("lost, too")];
  await expect.poll(() => subscriber.current.get("value a")).toBe(JSON.stringify([lost[1], "lost, too"]));
  // The replica has become the primary, and nothing was written there. Now the old primary follows it, and takes over.
  await follow(redis, replica);
  await command(redis.url, "REPLICAOF", "NO", "ONE");
  expect((await call("GET", "/get?key=a")).body).toMatchObject({ value: "kept", revision: kept });
  const next = await set("next");
  expect(next).toBeGreaterThan(lost[1] as number);
  await expect.poll(() => subscriber.current.get("value a")).toBe(JSON.stringify([next, "next"]));
  expect(subscriber.resets).toBe(1);
  subscriber.close();
});
