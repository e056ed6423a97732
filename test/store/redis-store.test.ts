// The Redis engine: the store contract, and its own behavior.

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { redisKeys } from "../../memory/store/redis/redis-keys.ts";
import { createRedisStore } from "../../memory/store/redis/redis-store.ts";
import { ALL_KEYS, type Operation } from "../../memory/store/store.ts";
import { boundsContract } from "./bounds-contract.ts";
import { manyContract } from "./many-contract.ts";
import { quotaContract } from "./quota-contract.ts";
import { storeContract } from "./store-contract.ts";

const store = openStore(env);
const DAY_SECONDS = 86_400;
const set = { op: "set", key: "a", value: "1", schemaRevision: 0 } as const;

const logSlack = Math.floor(LIMITS.logLength / 16);

storeContract("the Redis store", () => store, { logLength: LIMITS.logLength, logSlack });

manyContract("the Redis store", () => store);

const address = { url: env.UPSTASH_REDIS_REST_URL as string, token: env.UPSTASH_REDIS_REST_TOKEN as string };

quotaContract(
  "the Redis store",
  (quota) => createRedisStore({ ...address, timeouts: store.timeouts, logLength: LIMITS.logLength, quota }),
  async (namespace) => {
    const { bytes, index } = redisKeys(namespace);
    return { keys: Number(await command("ZCARD", index)), bytes: Number(await command("GET", bytes)) };
  },
);

boundsContract(
  "the Redis store",
  (quota) => createRedisStore({ ...address, timeouts: store.timeouts, logLength: LIMITS.logLength, quota }),
  async (namespace) => {
    const keys = (await command("KEYS", `{memx:${namespace}}*`)) as string[];
    const sum = `local bytes = 0
      for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
        bytes = bytes + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
      end
      return bytes`;
    const tombstones = keys.filter((key) => key.includes(":entry:") && !key.endsWith(":entry:"));
    const indexed = Number(await command("ZCARD", redisKeys(namespace).index));
    return {
      bytes: Number(await command("EVAL", sum, "0", `{memx:${namespace}}*`)),
      changes: Number(await command("XLEN", redisKeys(namespace).log)),
      records: keys.filter((key) => key.includes(":idempotency:")).length,
      tombstones: tombstones.length - indexed,
    };
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

  it("a tombstone expires after a day, unless the key has a schema or is written again", async () => {
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
    // An earlier memX kept it for as long as the key was watched.
    await command("PERSIST", entry("t"));
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

  it("a tombstone stays while its key is watched, because each watch keeps it for another day", async () => {
    await write({ ...set, key: "gone" });
    await store.watch("ns", "gone", "token");
    await write({ op: "delete", key: "gone" });
    await command("EXPIRE", entry("gone"), "100");
    await store.watch("ns", "gone", "token");
    expect(await command("TTL", entry("gone"))).toBe(DAY_SECONDS);
  });

  describe("several memX on one Redis watch a key", () => {
    const watched = async (key: string) => {
      const outcome = await write({ ...set, key });
      return outcome.outcome === "applied" && outcome.results[0]?.change && outcome.results[0].watched;
    };
    const marks = async (key: string) =>
      String((await command("HGET", entry(key), "watcher")) ?? "")
        .split(" ")
        .filter((_, index) => index % 2 === 0);
    const agoUs = (seconds: number) => String((Date.now() - seconds * 1000) * 1000);

    it("none of them ends the watch of another", async () => {
      await store.watch("ns", "shared", "one.1");
      await store.watch("ns", "shared", "two.1");
      await store.watch("ns", "shared", "one.2");
      expect(await marks("shared")).toEqual(["two.1", "one.2"]);
      await store.unwatch("ns", "shared", "one.1");
      await store.unwatch("ns", "shared", "two.1");
      expect(await watched("shared")).toBe(true);
      await store.unwatch("ns", "shared", "one.2");
      expect(await watched("shared")).toBe(false);
      expect(await command("HEXISTS", entry("shared"), "watcher")).toBe(0);
    });

    it("a mark ends by itself if its memX does not come back", async () => {
      await store.watch("ns", "left", "one.1");
      const [, ends] = String(await command("HGET", entry("left"), "watcher")).split(" ");
      expect(Number(ends) / 1e6 - Date.now() / 1000).toBeCloseTo(300, -1.5);
      await command("HSET", entry("left"), "watcher", `one.1 ${agoUs(1)}`);
      expect(await watched("left")).toBe(false);
      await store.watch("ns", "left", "two.1");
      expect([await marks("left"), await watched("left")]).toEqual([["two.1"], true]);
    });

    it("a watch whose memX never comes back leaves nothing of a key that was never written", async () => {
      await store.watch("ns", "left behind", "one.1");
      expect(await command("TTL", entry("left behind"))).toBe(DAY_SECONDS);
    });

    it("has at most 64 marks for a key, and drops the one that was renewed first", async () => {
      for (let n = 0; n < 64; n++) await store.watch("ns", "many", `memx-${n}.1`);
      await store.watch("ns", "many", "memx-0.2");
      await store.watch("ns", "many", "memx-64.1");
      const stay = Array.from({ length: 62 }, (_, n) => `memx-${n + 2}.1`);
      expect(await marks("many")).toEqual([...stay, "memx-0.2", "memx-64.1"]);
    });

    it("a process with a name learns only of its own watches, and one without a name of all", async () => {
      const timeouts = { timeouts: store.timeouts, logLength: LIMITS.logLength };
      const quota = { keys: undefined, bytes: undefined };
      const one = createRedisStore({ ...address, ...timeouts, quota, process: "one" });
      const learns = async (from: typeof store) => {
        const outcome = await from.write("ns", [{ ...set, key: "named" }]);
        return outcome.outcome === "applied" && outcome.results[0]?.change && outcome.results[0].watched;
      };
      const seen = async () => [await learns(one), await learns(store)];
      await store.watch("ns", "named", "two:channel.1");
      expect(await seen()).toEqual([false, true]);
      await store.watch("ns", "named", "elsewhere.1");
      expect(await seen()).toEqual([false, true]);
      await store.watch("ns", "named", "one:other-channel.1");
      expect(await seen()).toEqual([true, true]);
      // After a restart, the process has another name and the channel the same.
      await store.watch("ns", "named", "three:other-channel.2");
      expect(await seen()).toEqual([false, true]);
      expect(await marks("named")).toEqual(["two:channel.1", "elsewhere.1", "three:other-channel.2"]);
    });

    it("a mark of an earlier memX, without an end, holds until its channel watches or unwatches again", async () => {
      await command("HSET", entry("before"), "watcher", "token-of-before", "watched_from", "0");
      expect(await watched("before")).toBe(true);
      await store.watch("ns", "before", "one.1");
      expect(await marks("before")).toEqual(["token-of-before", "one.1"]);
      await store.watch("ns", "before", "token-of-before.1");
      expect(await marks("before")).toEqual(["one.1", "token-of-before.1"]);
      await command("HSET", entry("before"), "watcher", "token-of-before");
      await store.unwatch("ns", "before", "token-of-before");
      expect(await watched("before")).toBe(false);
    });

    it("of a whole namespace", async () => {
      const apply = async () => {
        const outcome = await write(set);
        return outcome.outcome === "applied" && outcome.results[0]?.change && outcome.results[0].namespaceWatched;
      };
      await store.watch("ns", ALL_KEYS, "one.1");
      await store.watch("ns", ALL_KEYS, "two.1");
      await store.unwatch("ns", ALL_KEYS, "two.1");
      expect(await apply()).toBe(true);
      await store.unwatch("ns", ALL_KEYS, "one.1");
      expect(await apply()).toBe(false);
    });
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

  it("a namespace has a bounded number of idempotency records, and only the oldest leave", async () => {
    const { bytes, record: recordOf } = redisKeys("many");
    const known = (id: string) => command("EXISTS", recordOf(id));
    // As if so many writes had come before: the first is expired, and by now its name is another record's.
    const fill = `redis.call('ZADD', KEYS[1], 1, '1 ' .. KEYS[2] .. 'first')
      for n = 1, tonumber(ARGV[1]) do
        redis.call('SET', KEYS[2] .. n, 'f 0 0 0 0 0 0')
        redis.call('ZADD', KEYS[1], 1 + n, ARGV[2] .. ' ' .. KEYS[2] .. n)
      end`;
    await command("SET", recordOf("first"), "f 0 0 0 0 0 0");
    const expires = String((Date.now() + 300_000) * 1000);
    await command(
      "EVAL",
      fill,
      "2",
      `${bytes}:records`,
      recordOf(""),
      String(LIMITS.maxIdempotencyRecords + 5),
      expires,
    );
    await store.write("many", [set], { idempotency: { id: "last", fingerprint: "f" } });
    expect(await command("ZCARD", `${bytes}:records`)).toBe(LIMITS.maxIdempotencyRecords);
    expect(await Promise.all(["first", "6", "7", "last"].map(known))).toEqual([1, 0, 1, 1]);
    expect(await command("TTL", `${bytes}:records`)).toBe(LIMITS.idempotencySeconds);
  });

  it("a log from before its bytes were counted is counted, and trimmed", async () => {
    const { bytes, log: kept, texts } = redisKeys("uncounted");
    const value = `"${"x".repeat(250_000)}"`;
    for (let n = 0; n < 70; n++) await store.write("uncounted", [{ ...set, value }]);
    const length = Number(await command("XLEN", kept));
    expect(length * 250_000).toBeGreaterThan(0.9 * LIMITS.maxLogBytes);
    const counted = await command("GET", `${bytes}:log`);
    await command("DEL", `${bytes}:log`);
    await store.write("uncounted", [{ ...set, value }]);
    expect(await command("GET", `${bytes}:log`)).toBe(counted);
    expect([await command("XLEN", kept), await command("HLEN", texts)]).toEqual([length, length]);
    expect(counted).toBe(`${length * (250_002 + 1 + LIMITS.rowBytes)} ${length}`);
  });

  it("a log of an earlier memX, whose changes do not tell their sizes, is counted and trimmed", async () => {
    const { bytes, log: kept, texts, counter } = redisKeys("without-sizes");
    const begin = 1_700_000_000_000_000;
    const length = LIMITS.logLength + logSlack;
    const fill = `for n = 1, tonumber(ARGV[2]) do
      local id = string.format('%.0f', ARGV[1] + n)
      redis.call('XADD', KEYS[1], id .. '-0', 'previous', '0', 'key', 'a', 'event', 'value', 'action', 'set', 'ts', '1')
      redis.call('HSET', KEYS[2], id, '[1,2]')
    end`;
    await command("EVAL", fill, "2", kept, texts, String(begin), String(length));
    const size = 5 + 1 + LIMITS.rowBytes;
    await command("MSET", counter, String(begin + length), `${bytes}:log`, String(length * size));
    await store.write("without-sizes", [{ ...set, value: "[1,2]" }]);
    expect([await command("XLEN", kept), await command("HLEN", texts)]).toEqual([LIMITS.logLength, LIMITS.logLength]);
    expect(await command("GET", `${bytes}:log`)).toBe(`${LIMITS.logLength * size} ${LIMITS.logLength}`);
  });

  it("an idempotency record of an earlier memX, with the text of its patch, still answers a repeat", async () => {
    await command("SET", record("text"), 'f 7 6 1700000000000000 1 0 0\n"a\ntext"');
    const idempotency = { id: "text", fingerprint: "f", needsText: true };
    const expected = { results: [{ change: { revision: 7, json: '"a\ntext"' } }] };
    expect(await store.write("ns", [set], { idempotency })).toMatchObject(expected);
    expect(await store.recall("ns", [set], idempotency)).toMatchObject(expected);
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
    const read = async () => entryOf(await store.readEntry("ns", key));
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
    for (let n = 0; n < 10; n++) await store.write("texts", sets);
    await store.write("texts", sets.slice(0, logSlack + 1));
    expect([await command("XLEN", kept), await command("HLEN", texts)]).toEqual([LIMITS.logLength, LIMITS.logLength]);
    await store.write("texts", [{ op: "delete", key: "a" }]);
    expect([await command("XLEN", kept), await command("HLEN", texts)]).toEqual([
      LIMITS.logLength + 1,
      LIMITS.logLength,
    ]);
  });

  it("the text of a script is sent again if Redis no longer knows the script", async () => {
    await command("SCRIPT", "FLUSH");
    expect(await write(set)).toMatchObject({ outcome: "applied" });
  });
});

describe("after Redis may have lost changes", () => {
  const namespaceOf = async (...keys: string[]) => {
    const namespace = crypto.randomUUID();
    const revisions: number[] = [];
    for (const key of keys) revisions.push(await revisionOf(namespace, key));
    return { namespace, revisions, last: revisions.at(-1) as number, ...redisKeys(namespace) };
  };
  const revisionOf = async (namespace: string, key: string) => (await changeOf(namespace, key)).change.revision;
  const changeOf = async (namespace: string, key: string) => {
    const outcome = await store.write(namespace, [{ ...set, key }]);
    const [result] = outcome.outcome === "applied" ? outcome.results : [];
    if (!result?.change) throw new Error(outcome.outcome);
    return result;
  };
  const nowUs = async () => {
    const [seconds, microseconds] = (await command("TIME")) as [string, string];
    return Number(seconds) * 1e6 + Number(microseconds);
  };
  /** As if another run of Redis had made the namespace's changes so far. */
  const restart = async ({ counter }: { counter: string }) => {
    const origin = (await command("GET", `${counter}:origin`)) as string;
    await command("SET", `${counter}:origin`, origin.replace(/^\S+/, "another-run"));
  };

  it("the next change jumps to the time, past every revision that a lost change may have had", async () => {
    const here = await namespaceOf("a", "a", "b");
    expect(here.revisions).toEqual([here.last - 2, here.last - 1, here.last]);
    await restart(here);
    const before = await nowUs();
    const next = await changeOf(here.namespace, "a");
    expect(next.change).toMatchObject({ previous: here.last - 1 });
    expect(next.change.revision).toBeGreaterThan(before);
    expect(next.change.revision).toBeLessThan((await nowUs()) + 1);
    expect(next.gaplessSince).toBe(next.change.revision - 1);
    // Only once.
    const after = await changeOf(here.namespace, "b");
    expect(after).toMatchObject({ change: { revision: next.change.revision + 1 }, gaplessSince: next.gaplessSince });
  });

  it.each(["a", ALL_KEYS])(
    "a position that Redis has kept continues, and one that it has lost does not (key %j)",
    async (key) => {
      const here = await namespaceOf("a", "b", "a");
      await restart(here);
      const next = await revisionOf(here.namespace, "a");
      const [first = 0, , third = 0] = here.revisions;
      for (const known of [first, third, next]) {
        expect((await store.readLog(here.namespace, key, known)).truncated, String(known - first)).toBe(false);
      }
      for (const lost of [third + 1, third + 10, next - 1]) {
        expect(await store.readLog(here.namespace, key, lost)).toMatchObject({ truncated: true, head: next });
      }
    },
  );

  it("a lost position does not continue after the log has dropped the change that shows the gap", async () => {
    const here = await namespaceOf("a", "quiet");
    await restart(here);
    const next = await revisionOf(here.namespace, "a");
    const sets = Array.from({ length: 100 }, () => set);
    for (let n = 0; n < LIMITS.logLength / 100; n++) await store.write(here.namespace, sets);
    await store.write(here.namespace, sets.slice(0, logSlack));
    for (const key of ["quiet", "never written", ALL_KEYS]) {
      expect((await store.readLog(here.namespace, key, here.last + 5)).truncated, key).toBe(true);
    }
    expect((await store.readLog(here.namespace, "quiet", next)).truncated).toBe(false);
    expect(await command("XLEN", here.log)).toBe(LIMITS.logLength);
    expect(await command("HLEN", here.texts)).toBe(LIMITS.logLength);
  });

  it("a clock that went back does not lead to a revision that was used", async () => {
    const here = await namespaceOf("a");
    const ahead = (await nowUs()) + 3_600e6;
    await command("SET", here.counter, String(ahead));
    await restart(here);
    expect(await revisionOf(here.namespace, "a")).toBeGreaterThan(ahead + 1_000);
  });

  it("a namespace that an earlier memX wrote is read, and goes on with revisions that were never used", async () => {
    const here = await namespaceOf("a", "b");
    // An earlier memX counted from the time in milliseconds, and did not say which Redis counted.
    const old = 1_795_626_202_580;
    await command("DEL", `${here.counter}:origin`, here.log, here.texts);
    await command("MSET", here.counter, String(old + 2), here.begin, String(old));
    for (const [index, key] of ["a", "b"].entries()) {
      const id = String(old + 1 + index);
      await command("XADD", here.log, `${id}-0`, ..."previous 0 event value action set ts 1 key".split(" "), key);
      await command("HSET", here.texts, id, "1");
      await command("HSET", here.entry(key), "revision", id, "value_revision", id);
    }
    expect(entryOf(await store.readEntry(here.namespace, "a"))).toMatchObject({ value: "1", revision: old + 1 });
    expect(await store.watch(here.namespace, ALL_KEYS, "token")).toMatchObject({ head: old + 2 });
    const before = await nowUs();
    const { change } = await changeOf(here.namespace, "a");
    expect(change).toMatchObject({ previous: old + 1 });
    expect(change.revision).toBeGreaterThan(before);
    const { changes, truncated } = await store.readLog(here.namespace, ALL_KEYS, old + 1);
    expect([changes.map(({ revision }) => revision), truncated]).toEqual([[old + 2, change.revision], false]);
    expect((await store.readLog(here.namespace, "a", old + 2)).truncated).toBe(false);
    expect((await store.readLog(here.namespace, "a", old + 3)).truncated).toBe(true);
  });

  it("a Redis that does not say which run it is counts on only within a second of the last change", async () => {
    await command("ACL", "SETUSER", "default", "-info");
    try {
      const here = await namespaceOf("a", "b");
      const origin = `${here.counter}:origin`;
      expect(await command("GET", origin)).toMatch(/^- /);
      const atOf = async () => Number(String(await command("GET", origin)).split(" ")[2]);
      const [, base, at] = String(await command("GET", origin)).split(" ");
      await command("SET", origin, `- ${base} ${Number(at) - 1_000_001}`);
      const next = await changeOf(here.namespace, "a");
      expect(next.gaplessSince).toBeGreaterThan(here.last);
      expect(next.change.revision).toBe((next.gaplessSince as number) + 1);
      expect(await atOf()).toBeGreaterThan(Number(at));
      expect((await store.readLog(here.namespace, "a", here.last)).truncated).toBe(false);
      expect((await store.readLog(here.namespace, "a", here.last + 1)).truncated).toBe(true);
    } finally {
      await command("ACL", "SETUSER", "default", "+info");
    }
  });
});

it("makes the calls of `many` with one request, and reports each error of Redis alone", async () => {
  const namespace = crypto.randomUUID();
  // The type of the entry is wrong, so that its script fails.
  await command("SET", redisKeys(namespace).entry("broken"), "x");
  await command("SCRIPT", "FLUSH");
  const many = () =>
    store.many(namespace, [
      { call: "write", operations: [{ ...set, key: "broken" }], options: {} },
      { call: "write", operations: [set], options: {} },
      { call: "write", operations: [{ ...set, key: "b" }], options: {} },
      { call: "readEntry", key: "never" },
    ]);
  const paths: string[] = [];
  const { fetch } = globalThis;
  const spy = vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
    paths.push(new URL(String(input)).pathname);
    return fetch(input, init);
  });
  const expected = [
    { outcome: "failed", error: { code: "store_unavailable" } },
    { outcome: "done", reply: { outcome: "applied" } },
    { outcome: "done", reply: { outcome: "applied" } },
    { outcome: "done", reply: { text: "null" } },
  ];
  expect(await many()).toMatchObject(expected);
  // Redis did not know the scripts.
  expect(paths.splice(0)).toEqual(["/pipeline", "/pipeline"]);
  expect(await many()).toMatchObject(expected);
  expect(paths).toEqual(["/pipeline"]);
  spy.mockRestore();
});

describe("with a name, a process", () => {
  const named = () => {
    const settings = { timeouts: store.timeouts, logLength: LIMITS.logLength };
    return createRedisStore({ ...address, ...settings, quota: { keys: undefined, bytes: undefined }, process: "p" });
  };
  const countRequests = () => {
    const bodies: unknown[][] = [];
    const { fetch } = globalThis;
    vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
      bodies.push(JSON.parse(init?.body as string));
      return fetch(input, init);
    });
    return bodies;
  };
  afterEach(() => void vi.restoreAllMocks());

  it("sends calls that come while a request is in flight together, and reports each error of Redis alone", async () => {
    const [namespace, shared] = [crypto.randomUUID(), named()];
    await command("SET", redisKeys(namespace).entry("broken"), "x");
    const keys = ["first", "broken", ...Array.from({ length: 18 }, (_, n) => `k${n}`)];
    const bodies = countRequests();
    const writes = await Promise.allSettled(keys.map((key) => shared.write(namespace, [{ ...set, key }])));
    expect(writes.map(({ status }) => status)).toEqual(
      keys.map((key) => (key === "broken" ? "rejected" : "fulfilled")),
    );
    expect(writes[1]).toMatchObject({ reason: { code: "store_unavailable" } });
    const reads = await Promise.all(keys.slice(2).map((key) => shared.readEntry(namespace, key)));
    expect(reads.map((read) => entryOf(read)?.value)).toEqual(keys.slice(2).map(() => set.value));
    // One alone and one for all others, of the writes and of the reads; and one that asks for the version of the data.
    expect(bodies.length).toBeLessThanOrEqual(5);
    // A call that is alone is a request without a pipeline.
    await shared.write(namespace, [set]);
    expect(bodies.at(-1)?.[0]).toBe("evalsha");
  });

  it("sends large values in several requests, and all of them", async () => {
    const [namespace, shared] = [crypto.randomUUID(), named()];
    const value = JSON.stringify("x".repeat(250_000));
    const keys = Array.from({ length: 60 }, (_, n) => `k${n}`);
    const bodies = countRequests();
    const writes = await Promise.all(keys.map((key) => shared.write(namespace, [{ ...set, key, value }])));
    expect(writes.every(({ outcome }) => outcome === "applied")).toBe(true);
    expect(Math.max(...bodies.map((body) => JSON.stringify(body).length))).toBeLessThan(9 * 1024 * 1024);
  });

  it("rejects the calls that wait while Redis does not reply, in time, and then goes on", async () => {
    const [namespace, { fetch }] = [crypto.randomUUID(), globalThis];
    const timeouts = { requestMs: 300, lastAttemptMs: 360, responseMs: 675 };
    const settings = { timeouts, logLength: LIMITS.logLength, quota: { keys: undefined, bytes: undefined } };
    const shared = createRedisStore({ ...address, ...settings, process: "p" });
    await shared.write(namespace, [set]);
    vi.spyOn(globalThis, "fetch").mockImplementation(
      (_, init) =>
        new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason))),
    );
    const writes = ["a", "b", "c"].map((key) => shared.write(namespace, [{ ...set, key }]));
    for (const write of await Promise.allSettled(writes)) {
      expect(write).toMatchObject({ status: "rejected", reason: { code: "store_unavailable" } });
    }
    vi.mocked(globalThis.fetch).mockImplementation(fetch);
    expect(await shared.write(namespace, [set])).toMatchObject({ outcome: "applied" });
  });
});
