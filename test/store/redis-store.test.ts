// The Redis engine: the store contract, and its own behavior.

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { redisKeys } from "../../memory/store/redis/redis-keys.ts";
import { createRedisStore } from "../../memory/store/redis/redis-store.ts";
import type { Operation } from "../../memory/store/store.ts";
import { quotaContract } from "./quota-contract.ts";
import { storeContract } from "./store-contract.ts";

const store = openStore(env);
const DAY_SECONDS = 86_400;
const set = { op: "set", key: "a", value: "1", schemaRevision: 0 } as const;

storeContract("the Redis store", () => store, { logLength: LIMITS.logLength });

const address = { url: env.UPSTASH_REDIS_REST_URL as string, token: env.UPSTASH_REDIS_REST_TOKEN as string };

quotaContract(
  "the Redis store",
  (quota) => createRedisStore({ ...address, timeouts: store.timeouts, logLength: LIMITS.logLength, quota }),
  async (namespace) => {
    const { bytes, index } = redisKeys(namespace);
    return { keys: Number(await command("ZCARD", index)), bytes: Number(await command("GET", bytes)) };
  },
);

/** Sends a command to Redis, past the store. */
async function command(...args: readonly string[]): Promise<unknown> {
  const response = await fetch(env.UPSTASH_REDIS_REST_URL as string, {
    method: "POST",
    headers: { authorization: `Bearer ${env.UPSTASH_REDIS_REST_TOKEN}` },
    body: JSON.stringify(args),
  });
  return ((await response.json()) as { result: unknown }).result;
}

describe("in Redis", () => {
  it("a namespace is listed for the sweep until no value is left to expire and no isolate assumes that it is listed", async () => {
    const listed = () => command("ZSCORE", "memx:expiring", "swept");
    await store.write("swept", [{ ...set, ttl: 0.001 }]);
    expect(Number(await listed())).toBeCloseTo(Date.now(), -5);
    await store.expire();
    expect(await command("EXISTS", redisKeys("swept").entry("a"))).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.expire();
    expect(await command("HGET", redisKeys("swept").entry("a"), "value")).toBeNull();
    expect(await listed()).not.toBeNull();
    await command("ZADD", "memx:expiring", String(Date.now() - 2 * 3_600_000), "swept");
    await store.expire();
    expect(await listed()).toBeNull();
  });

  const { entry, index, log, counter, record } = redisKeys("ns");
  const write = (...operations: Operation[]) => store.write("ns", operations);

  it("all keys of a namespace share its hash tag, whatever the name of the namespace", () => {
    for (const namespace of ["", "ns", "}", "a}:log", "a:b", "{", "ä😀"]) {
      const keys = redisKeys(namespace);
      const tags = [keys.counter, keys.log, keys.index, keys.entry("}x{"), keys.record("1")].map(
        // Redis Cluster finds it between the first "{" and the first "}" after it.
        (key) => /\{([^}]*)\}/.exec(key)?.[1],
      );
      expect(tags[0]).not.toBe("");
      expect(new Set(tags)).toEqual(new Set([`memx:${encodeURIComponent(namespace)}`]));
    }
  });

  it("the index has the keys with a value or a schema", async () => {
    await write(set, { ...set, key: "b" }, { op: "schema_set", key: "c", schema: "true" }, { op: "delete", key: "b" });
    expect(await command("ZRANGE", index, "0", "-1")).toEqual(["a", "c"]);
  });

  it("a tombstone expires after a day, unless the key has a schema, is watched or is written again", async () => {
    const ttl = () => command("TTL", entry("t"));
    await write({ ...set, key: "t" });
    expect(await ttl()).toBe(-1);
    await write({ op: "delete", key: "t" });
    expect(await ttl()).toBe(DAY_SECONDS);
    await write({ op: "schema_set", key: "t", schema: "true" });
    expect(await ttl()).toBe(-1);
    await write({ op: "schema_delete", key: "t" });
    expect(await ttl()).toBe(DAY_SECONDS);
    await store.watch("ns", "t", "token");
    expect(await ttl()).toBe(-1);
    await store.unwatch("ns", "t", "token");
    expect(await ttl()).toBe(DAY_SECONDS);
    await write({ ...set, key: "t" });
    expect(await ttl()).toBe(-1);
  });

  it("a key with only a schema stays when its watch ends", async () => {
    await write({ op: "schema_set", key: "only", schema: "true" });
    await store.watch("ns", "only", "token");
    await store.unwatch("ns", "only", "token");
    expect(await command("TTL", entry("only"))).toBe(-1);
  });

  it("a tombstone stays while its key is watched", async () => {
    await write({ ...set, key: "gone" });
    await store.watch("ns", "gone", "token");
    await write({ op: "delete", key: "gone" });
    expect(await command("TTL", entry("gone"))).toBe(-1);
  });

  it("a key that was watched but never written leaves no entry", async () => {
    await store.watch("ns", "never", "token");
    await store.unwatch("ns", "never", "token");
    expect(await command("EXISTS", entry("never"))).toBe(0);
  });

  it("an idempotency record is kept for five minutes", async () => {
    await store.write("ns", [set], { idempotency: { id: "id", fingerprint: "f" } });
    expect(await command("TTL", record("id"))).toBe(LIMITS.idempotencySeconds);
    expect(LIMITS.idempotencySeconds).toBe(300);
  });

  it("the log and the counter end with the revision of the last change", async () => {
    const outcome = await write({ ...set, key: "last" });
    const revision = outcome.outcome === "applied" ? outcome.results[0]?.change?.revision : 0;
    expect(await command("GET", counter)).toBe(String(revision));
    const newest = (await command("XREVRANGE", log, "+", "-", "COUNT", "1")) as [string, string[]][];
    expect(newest[0]?.[0]).toBe(`${revision}-0`);
  });

  it("a namespace that lost its keys continues with revisions that it never used", async () => {
    const revisionOf = async () => {
      const outcome = await store.write("lost", [set]);
      return outcome.outcome === "applied" ? (outcome.results[0]?.change?.revision ?? 0) : 0;
    };
    const { counter: lost } = redisKeys("lost");
    const first = await revisionOf();
    // Counting starts again at the time in milliseconds, so the clock must have moved on.
    await scheduler.wait(2);
    await command("DEL", lost);
    const second = await revisionOf();
    expect(second).toBeGreaterThan(first);
    await command("FLUSHALL");
    expect(await revisionOf()).toBeGreaterThan(second);
  });

  it("a value from before entries said when they were created has no such time until it is gone", async () => {
    const key = "old";
    await write({ ...set, key });
    await command("HDEL", entry(key), "created");
    const read = () => store.readEntry("ns", key);
    expect(await read()).toEqual({ value: "1", ts: expect.any(Number), revision: expect.any(Number) });
    const outcome = await write({ ...set, key, value: "2" });
    expect(outcome).toMatchObject({ results: [{ change: { json: "2", created: undefined } }] });
    expect(await read()).toEqual({ value: "2", ts: expect.any(Number), revision: expect.any(Number) });
    await write({ op: "delete", key }, { ...set, key });
    const again = await read();
    expect(again?.created).toBe(again?.ts);
  });

  it("a value leaves no time and no writer behind when it goes, and takes no field for a writer without a name", async () => {
    const fields = async () => (await command("HKEYS", entry("trace"))) as string[];
    const plain = ["created", "revision", "ts", "value", "value_revision"];
    await write({ ...set, key: "trace" });
    expect((await fields()).toSorted()).toEqual(plain);
    await store.write("ns", [{ ...set, key: "trace", ttl: 100 }], { by: "me" });
    expect((await fields()).toSorted()).toEqual([...plain, "agent", "expires"].toSorted());
    await write({ op: "delete", key: "trace" });
    expect((await fields()).toSorted()).toEqual(["revision", "ts"]);
  });

  it("an idempotency record of an earlier memX, with four numbers for each operation, still answers a repeat", async () => {
    await command("SET", record("before"), "f 7 6 1700000000000000 1 0 3 1600000000000000 0");
    const operations = [set, { op: "delete", key: "b" }] as const;
    expect(await store.write("ns", operations, { idempotency: { id: "before", fingerprint: "f" } })).toEqual({
      outcome: "applied",
      results: [
        {
          change: { event: "value", action: "set", key: "a", json: "1", revision: 7, previous: 6, ts: 1_700_000_000 },
          watched: true,
          namespaceWatched: false,
        },
        { change: null, revision: 3, ts: 1_600_000_000 },
      ],
    });
  });

  it("the log keeps the texts of its own changes only", async () => {
    const { log: kept, texts } = redisKeys("texts");
    const sets = Array.from({ length: 100 }, () => set);
    for (let n = 0; n < 12; n++) await store.write("texts", sets);
    expect([await command("XLEN", kept), await command("HLEN", texts)]).toEqual([LIMITS.logLength, LIMITS.logLength]);
    await store.write("texts", [{ op: "delete", key: "a" }]);
    expect([await command("XLEN", kept), await command("HLEN", texts)]).toEqual([
      LIMITS.logLength,
      LIMITS.logLength - 1,
    ]);
  });

  it("the text of a script is sent again if Redis no longer knows the script", async () => {
    await command("SCRIPT", "FLUSH");
    expect(await write(set)).toMatchObject({ outcome: "applied" });
  });
});
