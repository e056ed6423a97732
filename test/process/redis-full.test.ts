// A Redis that has no room, that takes no writes, or that evicts: memX says which, in its responses and in /health, and
// everything that the Redis can still do works. memX is on workerd, the Redis is a real one.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { dataFolder } from "./support/dev-server.ts";
import { connectRaw } from "./support/raw-subscriber.ts";
import { command as sendTo } from "./support/redis-command.ts";
import { startWorkerd, type Workerd } from "./support/workerd.ts";

const SECRET = "value-that-must-stay-secret";
const LARGE = SECRET.repeat(1_000);
const HEADERS = { "x-api-key": "local_dev_key", "content-type": "application/json" };

let redis: RedisServer;
let bridge: RedisBridge;
let memx: Workerd;
let warn: ReturnType<typeof vi.spyOn>;

beforeEach(async () => {
  warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  redis = await startRedisServer();
  bridge = await startRedisBridge({ redisUrl: redis.url, port: 0 });
  memx = await startWorkerd({
    bindings: { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: bridge.token },
  });
});

afterEach(async () => {
  await bridge?.close();
  await redis?.stop();
  vi.restoreAllMocks();
});

const command = (...args: string[]) => sendTo(redis.url, ...args);

/** Now Redis has no room for anything, however much is deleted. */
const fill = () => command("CONFIG", "SET", "maxmemory", "1");
const makeRoom = () => command("CONFIG", "SET", "maxmemory", "0");
const makeReplica = () => command("REPLICAOF", "127.0.0.1", "1");

type Reply = { readonly status: number; readonly headers: Headers; readonly text: string };

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await fetch(memx.url + path, {
    method,
    headers: { ...HEADERS, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function succeeds<T = { revision: number }>(...args: Parameters<typeof send>): Promise<T> {
  const { status, text } = await send(...args);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

const set = (key: string, value: unknown, rest: object = {}) => succeeds("POST", "/set", { key, value, ...rest });
const get = (key: string) => succeeds<{ value: unknown; revision: number } | null>("GET", `/get?key=${key}`);
const health = (query = "") =>
  succeeds<{ status: string; warnings?: { code: string; detail: string }[] }>("GET", `/health${query}`);

async function expectNotReady(reason: string): Promise<void> {
  const { status, headers, text } = await send("GET", "/health?ready");
  expect(status).toBe(503);
  expect(headers.get("retry-after")).toBe("10");
  expect(JSON.parse(text)).toMatchObject({ code: "store_unavailable", detail: expect.stringContaining(reason) });
}

function expectStoreFull({ status, headers, text }: Reply): void {
  expect(status, text).toBe(507);
  expect(headers.get("content-type")).toBe("application/problem+json");
  expect(headers.get("retry-after")).toBeNull();
  expect(JSON.parse(text)).toMatchObject({ status: 507, code: "store_full", title: "The store is full" });
  expect(text).not.toContain(SECRET);
  expect(text).not.toMatch(/redis|\boom\b|maxmemory|evalsha|script/i);
}

describe("while Redis is full", () => {
  it("refuses what would need more room with 507 store_full, and applies none of it", async () => {
    await set("small", 1);
    const { revision } = await set("large", LARGE);
    await succeeds("POST", "/schema", { key: "typed", schema: true });
    await fill();
    const id = { "idempotency-key": crypto.randomUUID() };
    const refused: Parameters<typeof send>[] = [
      ["POST", "/set", { key: "new", value: SECRET }],
      ["POST", "/set", { key: "new", value: SECRET, ttl: 60 }],
      ["POST", "/set", { key: "new", value: SECRET }, id],
      ["POST", "/set", { key: "small", value: 2 }],
      ["POST", "/set", { key: "large", value: LARGE.slice(1) }],
      ["POST", "/patch", { key: "small", increment: { by: 1 } }],
      ["POST", "/schema", { key: "new", schema: { title: SECRET } }],
      [
        "POST",
        "/batch",
        {
          operations: [
            { op: "delete", key: "small" },
            { op: "set", key: "new", value: LARGE },
          ],
        },
      ],
    ];
    for (const each of refused) expectStoreFull(await send(...each));
    expect(await get("small")).toMatchObject({ value: 1 });
    expect(await get("large")).toMatchObject({ value: LARGE, revision });
    expect(await get("new")).toBeNull();

    await makeRoom();
    // The refused write left no record, so it is applied now, with the next revision.
    expect(await succeeds("POST", "/set", { key: "new", value: SECRET }, id)).toMatchObject({ revision: revision + 2 });
    expect(memx.output()).toContain("store_full");
    expect(memx.output()).not.toContain(SECRET);
  });

  it("deletes, and takes smaller values", async () => {
    for (const key of ["a", "b", "c", "d", "e", "f"]) await set(key, LARGE);
    await set("patched", { keep: 1, drop: LARGE });
    await set("expires", LARGE, { ttl: 600 });
    await succeeds("POST", "/schema", { key: "typed", schema: { title: SECRET } });
    await fill();
    expect(await succeeds("POST", "/delete", { key: "a" })).toMatchObject({ deleted: true });
    const id = { "idempotency-key": crypto.randomUUID() };
    const first = await succeeds("POST", "/delete", { key: "b" }, id);
    expect(await succeeds("POST", "/delete", { key: "b" }, id)).toEqual(first);
    expect(await succeeds("POST", "/delete", { key: "expires" })).toMatchObject({ deleted: true });
    expect(await succeeds("POST", "/delete", { key: "nothing" })).toMatchObject({ deleted: false });
    expect(await succeeds("DELETE", "/schema?key=typed")).toMatchObject({ ok: true });
    expect(await set("c", "small")).toMatchObject({ updated: true });
    expect(await succeeds("POST", "/patch", { key: "patched", merge: { drop: null } })).toMatchObject({
      value: { keep: 1 },
    });
    const operations = [
      { op: "delete", key: "d" },
      { op: "set", key: "e", value: 1 },
      { op: "set", key: "new", value: 2 },
      { op: "check", key: "f", expect: (await get("f"))?.revision },
    ];
    expect(await succeeds("POST", "/batch", { operations })).toMatchObject({ ok: true });
    const { keys } = await succeeds<{ keys: { key: string }[] }>("GET", "/keys");
    expect(keys.map(({ key }) => key)).toEqual(["c", "e", "f", "new", "patched"]);
  });

  it("reads, and lets subscribers join and resume", async () => {
    const { revision } = await set("a", LARGE);
    await set("a", 2);
    await set("b", LARGE);
    const expiring = await set("expires", SECRET, { ttl: 1 });
    await expect.poll(() => get("expires")).toBeNull();
    await fill();
    expect(await get("a")).toMatchObject({ value: 2 });
    expect(await succeeds("POST", "/read", { keys: ["a", "expires"] })).toMatchObject({
      entries: [{ value: 2 }, null],
    });
    expect(await succeeds("GET", "/history?key=a")).toMatchObject({ changes: [{ value: 2 }, { value: LARGE }] });
    // The expiry is a change only after a write.
    expect(await succeeds("GET", "/history?key=expires")).toMatchObject({
      changes: [{ action: "expire", previous: expiring.revision }, { action: "set" }],
    });
    expect(await succeeds("GET", `/changes?pattern=a&since=${revision}&wait=0`)).toMatchObject({
      changes: [{ key: "a", value: 2 }],
    });

    const headers = { "x-api-key": "local_dev_key", "sec-websocket-protocol": "memx.v1" };
    const watcher = await connectRaw(memx.url, "/watch?pattern=*&since=0", headers);
    const subscriber = await connectRaw(memx.url, "/subscribe/b", headers);
    await expect.poll(() => watcher.texts.at(-1)).toContain('"ready"');
    await succeeds("POST", "/delete", { key: "b" });
    for (const { texts } of [watcher, subscriber]) await expect.poll(() => texts.at(-1)).toContain('"delete"');
  });

  /** Gives Redis a limit, takes all the room up to it, and returns the limit. */
  async function fillUp(): Promise<string> {
    const used = /used_memory:(\d+)/.exec(String(await command("INFO", "memory")))?.[1];
    const maxMemory = String(Number(used) + 4_000_000);
    await command("CONFIG", "SET", "maxmemory", maxMemory);
    for (let n = 0; ; n++) {
      const response = await send("POST", "/set", { key: `filler:${n}`, value: LARGE.repeat(8) });
      if (response.status === 200) continue;
      expectStoreFull(response);
      // Now smaller ones, until not even those fit.
      for (let small = 0; ; small++) {
        const { status } = await send("POST", "/set", { key: `filler:${n}:${small}`, value: SECRET });
        if (status !== 200) return maxMemory;
      }
    }
  }

  it("lets every kind of subscriber join, of keys that were written and that were not, and reads and deletes", async () => {
    await set("a", SECRET);
    const { revision } = await set("a", 2);
    await set("expires", SECRET, { ttl: 1 });
    const maxMemory = await fillUp();
    // As after a restart: Redis knows no script, and another run has counted the revisions so far.
    await command("SCRIPT", "FLUSH");
    await makeRoom();
    await command("SET", "{memx:}:revision:origin", `another-run ${revision - 2} 1`);
    await command("CONFIG", "SET", "maxmemory", maxMemory);
    const headers = { "x-api-key": "local_dev_key", "sec-websocket-protocol": "memx.v1" };
    const paths = [
      "/subscribe/a?since=0",
      "/subscribe/never",
      "/watch?pattern=*",
      `/watch?pattern=a&since=${revision - 1}`,
    ];
    const sockets = await Promise.all(paths.map((path) => connectRaw(memx.url, path, headers)));
    for (const { texts } of sockets) await expect.poll(() => texts.at(-1)).toContain('"ready"');
    const stream = await fetch(`${memx.url}/watch?pattern=a&since=0`, {
      headers: { ...HEADERS, accept: "text/event-stream" },
    });
    expect(stream.status).toBe(200);
    const events = readEvents(stream);
    await expect.poll(() => events.join()).toContain('"value":2');
    const poll = succeeds<{ changes: unknown[] }>("GET", `/changes?pattern=a&since=${revision}&wait=20`);
    expect(await succeeds("GET", "/history?key=a")).toMatchObject({ changes: [{ value: 2 }, { value: SECRET }] });
    expect(await succeeds("POST", "/read", { keys: ["a", "never"] })).toMatchObject({ entries: [{ value: 2 }, null] });
    expect(await succeeds("GET", "/keys?prefix=a")).toMatchObject({ keys: [{ key: "a" }] });
    expect(await succeeds<object>("POST", "/delete", { key: "a" })).toMatchObject({ deleted: true });
    for (const index of [0, 2, 3]) await expect.poll(() => sockets[index]?.texts.at(-1)).toContain('"delete"');
    await expect.poll(() => events.join()).toContain('"delete"');
    expect((await poll).changes).toMatchObject([{ key: "a", action: "delete" }]);
    await expect.poll(() => get("expires")).toBeNull();
    expect(await succeeds("GET", "/history?key=expires")).toMatchObject({
      changes: [{ action: "expire" }, { action: "set" }],
    });
    expectStoreFull(await send("POST", "/set", { key: "large", value: LARGE }));
  });

  it("says so in /health", async () => {
    await fill();
    const { status, warnings } = await health();
    expect(status).toBe("full");
    expect(warnings).toEqual([{ code: "store_full", detail: expect.stringMatching(/^The store is full\./) }]);
    await expectNotReady("The store is full.");
    await makeRoom();
    expect(await health()).toEqual({ status: "ok", store: "redis", version: expect.any(String) });
    expect(await health("?ready")).toEqual(await health());
  });
});

describe("while Redis is a replica, which takes no writes", () => {
  it("refuses writes with 503, because a failover may end that, and reads", async () => {
    await set("a", 1);
    await set("expires", 1, { ttl: 1 });
    await expect.poll(() => get("expires")).toBeNull();
    await makeReplica();
    for (const path of ["/set", "/delete"]) {
      const { status, headers, text } = await send("POST", path, { key: "a", ...(path === "/set" && { value: 2 }) });
      expect(status).toBe(503);
      expect(headers.get("retry-after")).toBe("1");
      const { code, detail } = JSON.parse(text);
      expect([code, detail]).toEqual(["store_unavailable", "The store does not take writes at the moment. Try again."]);
    }
    expect(await get("a")).toMatchObject({ value: 1 });
    expect(await succeeds("GET", "/history?key=a")).toMatchObject({ changes: [{ value: 1 }] });
    // The expiry becomes a change once something can be written.
    expect(await succeeds("GET", "/history?key=expires")).toMatchObject({ changes: [{ action: "set" }] });
  });

  it("says so in /health", async () => {
    await makeReplica();
    expect(await health()).toMatchObject({ status: "read_only", warnings: [{ code: "store_read_only" }] });
    await expectNotReady("The store takes no writes.");
  });
});

it("warns in /health of a Redis that evicts", async () => {
  await command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  expect(await health()).toMatchObject({ status: "ok", warnings: [{ code: "store_evicts" }] });
  expect(await health("?ready")).toEqual(await health());
});

it("finds Redis healthy although its user may not do what only /health does", async () => {
  await command("ACL", "SETUSER", "default", "-setrange", "-info");
  expect(await health()).toEqual({ status: "ok", store: "redis", version: expect.any(String) });
});

describe("the bridge says when it starts that its Redis", () => {
  const restart = async () => {
    await bridge.close();
    warn.mockClear();
    bridge = await startRedisBridge({ redisUrl: redis.url, port: 0 });
    return warn.mock.calls.flat().join("\n");
  };

  it.each([
    ["evicts", () => command("CONFIG", "SET", "maxmemory-policy", "volatile-ttl"), /maxmemory-policy volatile-ttl/],
    ["is a replica", makeReplica, /is a read-only replica/],
    ["is full", fill, /is full/],
    [
      "has too few replicas to write",
      () => command("CONFIG", "SET", "min-replicas-to-write", "1"),
      /takes no writes.*NOREPLICAS/,
    ],
  ])("%s", async (_, begin, warning) => {
    expect(await restart()).toBe("");
    await begin();
    expect(await restart()).toMatch(warning);
  });

  it("cannot save its data", async () => {
    const server = await startRedisServer({ args: ["--dir", dataFolder(), "--save", "3600 1000"] });
    onTestFinished(() => server.stop("SIGKILL"));
    // A folder in the place of the file makes every attempt to save fail.
    mkdirSync(join(dataFolder(), "dump.rdb"));
    await sendTo(server.url, "BGSAVE");
    const failed = async () => String(await sendTo(server.url, "INFO", "persistence"));
    await expect.poll(failed).toContain("rdb_last_bgsave_status:err");
    const other = await startRedisBridge({ redisUrl: server.url, port: 0 });
    onTestFinished(() => other.close());
    expect(warn.mock.calls.flat().join("\n")).toMatch(/takes no writes.*MISCONF/);
  });

  it("evicts, when it has reconnected to another server", async () => {
    vi.spyOn(console, "log").mockImplementation(() => undefined);
    await redis.stop("SIGKILL");
    redis = await startRedisServer({ port: redis.port, args: ["--maxmemory-policy", "allkeys-lru"] });
    await expect.poll(() => warn.mock.calls.flat().join("\n")).toMatch(/maxmemory-policy allkeys-lru/);
  });
});

/** Collects what a stream of server-sent events says. */
function readEvents(response: Response): string[] {
  const texts: string[] = [];
  void (async () => {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      texts.push(new TextDecoder().decode(chunk));
  })().catch(() => undefined);
  return texts;
}
