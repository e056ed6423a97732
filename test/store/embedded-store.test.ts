// The embedded engine: the store contract, and its own behavior.

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { storeTimeouts } from "../../config/store-settings.ts";
import { MIGRATIONS } from "../../durable-objects/embedded-store/migrations.ts";
import { Namespace } from "../../durable-objects/embedded-store/namespace.ts";
import { createEmbeddedStore } from "../../memory/store/embedded.ts";
import { pack } from "../../memory/store/embedded-replies.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import type { AppliedVersions, Idempotency, Operation, Quota } from "../../memory/store/store.ts";
import { readStored } from "../support/stored-keys.ts";
import { boundsContract } from "./bounds-contract.ts";
import { manyContract } from "./many-contract.ts";
import { quotaContract } from "./quota-contract.ts";
import { storeContract } from "./store-contract.ts";

const timeouts = storeTimeouts(env);
const store = createEmbeddedStore(env.EMBEDDED_STORE, timeouts);

const objectOf = (namespace: string) => env.EMBEDDED_STORE.getByName(`namespace:${namespace}`);

storeContract("the embedded store", () => store, {
  logLength: LIMITS.logLength,
  async keepFromSweeping(namespace) {
    await store.readEntry(namespace, "any");
    await runInDurableObject(objectOf(namespace), (_, { storage }) => {
      storage.setAlarm = async () => {};
    });
  },
});

manyContract("the embedded store", () => store);

/** The tables of real objects with the given quota. The objects themselves read it from the configuration. */
function limitedObjects(quota: Quota) {
  const use = <T>(name: string, step: (stored: Namespace) => T) =>
    runInDurableObject(env.EMBEDDED_STORE.getByName(name), (_, { storage }) =>
      storage.transactionSync(() => step(new Namespace(storage, { logLength: LIMITS.logLength, quota }))),
    );
  const nowUs = () => Date.now() * 1000;
  return {
    idFromName: (name: string) => name,
    get: (name: string) => ({
      write: (operations: readonly Operation[], idempotency?: Idempotency) =>
        use(name, (stored) => pack(stored.apply(operations, nowUs(), { idempotency }))),
      readEntry: (key: string) => use(name, (stored) => pack(stored.readEntry(key, nowUs()))),
      readNames: (after: string) => use(name, (stored) => stored.entries.names(after, nowUs())),
      readEntries: (keys: readonly string[]) => use(name, (stored) => stored.entries.stored(keys, nowUs())),
      readHistory: (key: string, before: number, limit: number) =>
        use(name, (stored) => stored.readHistory(key, before, limit, nowUs())),
      recall: (idempotency: Idempotency, key: string) =>
        use(name, (stored) => stored.recall(idempotency, key, nowUs())),
      readLog: (key: string, after: number) => use(name, (stored) => stored.readLog(key, after)),
      watch: (key: string, token: string) => use(name, (stored) => stored.watch(key, token, nowUs())),
    }),
  };
}

boundsContract(
  "the embedded store",
  (quota) => createEmbeddedStore(limitedObjects(quota) as never, timeouts),
  (namespace) =>
    runInDurableObject(objectOf(namespace), (_, { storage: { sql } }) => {
      const count = (rows: string) => sql.exec<{ count: number }>(`SELECT count(*) AS count FROM ${rows}`).one().count;
      return {
        bytes: sql.databaseSize,
        changes: count("log"),
        records: count("idempotency"),
        tombstones: count("entries WHERE revision > 0 AND value_revision = 0 AND schema_revision = 0"),
      };
    }),
);

quotaContract(
  "the embedded store",
  (quota) => createEmbeddedStore(limitedObjects(quota) as never, timeouts),
  (namespace) => runInDurableObject(objectOf(namespace), (_, { storage }) => storage.kv.get("usage") as never),
);

it("still has everything after an eviction", async () => {
  const namespace = crypto.randomUUID();
  await store.write(namespace, [
    { op: "set", key: "a", value: "[1.0]", schemaRevision: 0 },
    { op: "schema_set", key: "a", schema: "true" },
  ]);
  const contents = async () => [
    entryOf(await store.readEntry(namespace, "a")),
    (await store.readSchema(namespace, "a")).schema,
    await store.readLog(namespace, "a", 0),
    await store.watch(namespace, "a", "token"),
  ];
  const before = await contents();
  await evictDurableObject(env.EMBEDDED_STORE.getByName(`namespace:${namespace}`));
  expect(await contents()).toEqual(before);
  expect(before[0]).toMatchObject({ value: "[1.0]" });
});

it("begins to count only once, even if it is evicted before the first write", async () => {
  const namespace = crypto.randomUUID();
  const { head: begin } = await store.watch(namespace, "a", "token");
  await evictDurableObject(env.EMBEDDED_STORE.getByName(`namespace:${namespace}`));
  const outcome = await store.write(namespace, [{ op: "set", key: "a", value: "1", schemaRevision: 0 }]);
  expect(outcome).toMatchObject({ results: [{ change: { revision: begin + 1 } }] });
});

it("commits writes that arrive together in one transaction", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  const transactions = await runInDurableObject(object, async (instance, state) => {
    let count = 0;
    const transactionSync = state.storage.transactionSync.bind(state.storage);
    state.storage.transactionSync = (step) => {
      count++;
      return transactionSync(step);
    };
    const write = () => instance.write([{ op: "set", key: "a", value: "1", schemaRevision: 0 }]);
    await Promise.all(Array.from({ length: 64 }, write));
    return count;
  });
  expect(transactions).toBe(1);
});

it("returns store_unavailable and changes nothing if a commit fails, and works again afterward", async () => {
  const namespace = crypto.randomUUID();
  await store.checkHealth();
  const object = env.EMBEDDED_STORE.getByName(`namespace:${namespace}`);
  await runInDurableObject(object, (_, state) => {
    state.storage.transactionSync = () => {
      throw new Error("disk full: a secret");
    };
  });
  const operation = { op: "set", key: "a", value: "1", schemaRevision: 0 } as const;
  const failure = await store.write(namespace, [operation]).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "store_unavailable", message: expect.not.stringContaining("secret") });
  await evictDurableObject(object);
  expect(entryOf(await store.readEntry(namespace, "a"))).toBeNull();
  expect(await store.write(namespace, [operation])).toMatchObject({ outcome: "applied" });
});

it("returns store_full if a commit finds no room, shows it for a minute, and goes on reading", async () => {
  const namespace = crypto.randomUUID();
  const object = env.EMBEDDED_STORE.getByName(`namespace:${namespace}`);
  const own = createEmbeddedStore(env.EMBEDDED_STORE, store.timeouts);
  const operation = { op: "set", key: "a", value: "1", schemaRevision: 0 } as const;
  await own.write(namespace, [operation]);
  expect(await own.checkHealth()).toEqual({ status: "ok", evicts: false });
  await runInDurableObject(object, (_, state) => {
    state.storage.transactionSync = () => {
      // As workerd and Cloudflare say it.
      throw new Error("database or disk is full: SQLITE_FULL");
    };
  });
  const failure = await own.write(namespace, [operation]).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "store_full", retryAfterSeconds: undefined });
  expect((failure as Error).message).not.toContain("SQLITE");
  expect(entryOf(await own.readEntry(namespace, "a"))).toMatchObject({ value: "1" });
  expect(await own.checkHealth()).toEqual({ status: "full", evicts: false });

  const { now } = Date;
  const later = vi.spyOn(Date, "now").mockImplementation(() => now() + 60_000);
  expect(await own.checkHealth()).toEqual({ status: "ok", evicts: false });
  later.mockRestore();
  await evictDurableObject(object);
  expect(await own.write(namespace, [operation])).toMatchObject({ outcome: "applied" });
});

it("serves other calls between the steps of a sweep, and of a flood of writes", async () => {
  const namespace = crypto.randomUUID();
  const object = objectOf(namespace);
  const keys = Array.from({ length: 5_000 }, (_, n) => `k${n}`);
  const write = (operations: Operation[]) => store.write(namespace, operations);
  await write([{ op: "set", key: "other", value: "1", schemaRevision: 0 }]);
  const steps = await runInDurableObject(object, (_, { storage }) => {
    storage.setAlarm = async () => {};
    const counted = { transactions: 0 };
    const transactionSync = storage.transactionSync.bind(storage);
    storage.transactionSync = (step) => {
      counted.transactions++;
      return transactionSync(step);
    };
    return counted;
  });
  /** Counts the calls of another caller that the object serves, one after the other, until `work` is done. */
  const servedDuring = async (work: Promise<unknown>) => {
    let [served, done] = [0, false];
    const before = steps.transactions;
    void work.finally(() => {
      done = true;
    });
    while (!done) {
      await object.readEntry("other");
      served++;
      // Calls within a process that follow each other without a pause keep timers from firing.
      await scheduler.wait(0);
    }
    await work;
    return { served, steps: steps.transactions - before };
  };
  const sets = keys.map((key) => ({ op: "set", key, value: "1", schemaRevision: 0, ttl: 0.001 }) as const);
  const batches = Array.from({ length: 50 }, (_, n) => sets.slice(100 * n, 100 * n + 100));
  const writes = await servedDuring(Promise.all(batches.map(write)));
  expect(writes.steps).toBeGreaterThanOrEqual(10);
  expect(writes.served).toBeGreaterThan(1);
  await scheduler.wait(5);
  const sweep = await servedDuring(runInDurableObject(object, (instance) => instance.alarm()));
  expect(sweep.steps).toBeGreaterThanOrEqual(50);
  expect(sweep.served).toBeGreaterThan(sweep.steps / 10);
  expect(await readStored(store, namespace)).toMatchObject([{ key: "other" }]);
});

it("sweeps no later than its interval, although its alarm was set by a clock that was ahead", async () => {
  const namespace = crypto.randomUUID();
  const object = objectOf(namespace);
  await store.write(namespace, [{ op: "set", key: "a", value: "1", schemaRevision: 0, ttl: 1000 }]);
  const isDue = () =>
    runInDurableObject(
      object,
      async (_, { storage }) => ((await storage.getAlarm()) ?? Infinity) <= Date.now() + LIMITS.sweepIntervalMs,
    );
  await runInDurableObject(object, (_, { storage }) => storage.setAlarm(Date.now() + 365 * 86_400_000));
  await evictDurableObject(object);
  await store.readEntry(namespace, "a");
  await expect.poll(isDue).toBe(true);
});

it("keeps an idempotency record for five minutes, and then removes it", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  await runInDurableObject(object, (_, { storage }) => {
    const stored = new Namespace(storage, {
      logLength: LIMITS.logLength,
      quota: { keys: undefined, bytes: undefined },
    });
    const operation = { op: "set", key: "a", value: "1", schemaRevision: 0 } as const;
    const apply = (id: string, atUs: number) => {
      const outcome = stored.apply([operation], atUs, { idempotency: { id, fingerprint: "f" } });
      return outcome.outcome === "applied" ? outcome.results[0]?.revision : outcome;
    };
    const remembered = () => storage.sql.exec("SELECT id FROM idempotency ORDER BY id").toArray();

    const startUs = 1_700_000_000e6;
    const endUs = startUs + 300e6;
    const first = apply("one", startUs);
    expect(apply("one", endUs - 1)).toBe(first);
    expect(stored.recall({ id: "one", fingerprint: "f" }, "a", endUs - 1)).not.toBeNull();
    expect(stored.recall({ id: "one", fingerprint: "f" }, "a", endUs)).toBeNull();
    const again = apply("one", endUs + 1);
    expect(again).toBeGreaterThan(first as number);
    expect(apply("one", endUs + 2)).toBe(again);

    // A record of a clock that was ahead does not count once the clock is right, and makes room.
    const aheadUs = startUs + 86_400e6;
    const ahead = apply("ahead", aheadUs) as number;
    expect(stored.recall({ id: "ahead", fingerprint: "f" }, "a", aheadUs)).not.toBeNull();
    expect(stored.recall({ id: "ahead", fingerprint: "f" }, "a", endUs)).toBeNull();
    expect(apply("ahead", endUs)).toBeGreaterThan(ahead);
    storage.sql.exec("DELETE FROM idempotency WHERE id = 'ahead'");

    apply("one", endUs + 1);
    apply("two", endUs + 200e6);
    expect(remembered()).toEqual([{ id: "one" }, { id: "two" }]);
    apply("three", endUs + 301e6);
    expect(remembered()).toEqual([{ id: "three" }, { id: "two" }]);
  });
});

it("a key that expired or was deleted leaves no row after a day, unless a channel watches it", async () => {
  const namespace = crypto.randomUUID();
  const object = objectOf(namespace);
  const rows = (table: string) =>
    runInDurableObject(object, (_, { storage }) => storage.sql.exec(`SELECT * FROM ${table}`).toArray().length);
  const alarm = () => runInDurableObject(object, (_, { storage }) => storage.getAlarm());
  const set = (key: string, ttl?: number) => ({ op: "set", key, value: "1", schemaRevision: 0, ttl }) as const;
  const keys = Array.from({ length: 100 }, (_, n) => `key-${n}`);
  await store.write(namespace, [set("expired", 0.001), set("deleted"), set("watched"), set("stays")]);
  await store.watch(namespace, "watched", "token");
  await store.write(
    namespace,
    [
      { op: "delete", key: "deleted" },
      { op: "delete", key: "watched" },
      { op: "schema_set", key: "schema", schema: "true" },
      { op: "schema_delete", key: "schema" },
    ],
    { idempotency: { id: "id", fingerprint: "f" } },
  );
  for (let n = 0; n < 4; n++) {
    await store.write(
      namespace,
      keys.map((key) => set(`${n}-${key}`)),
    );
    await store.write(
      namespace,
      keys.map((key) => ({ op: "delete", key: `${n}-${key}` })),
    );
  }
  await scheduler.wait(5);
  expect(await alarm()).toBeLessThanOrEqual(Date.now() + LIMITS.sweepIntervalMs);

  expect(await runDurableObjectAlarm(object)).toBe(true);
  expect([await rows("expiries"), await rows("entries"), await rows("idempotency")]).toEqual([0, 405, 1]);
  const { now } = Date;
  let aheadMs = 0;
  vi.spyOn(Date, "now").mockImplementation(() => now() + aheadMs);
  const sleep = async (seconds: number) => {
    aheadMs += seconds * 1000;
    await runDurableObjectAlarm(object);
  };
  await sleep(LIMITS.idempotencySeconds);
  expect([await rows("entries"), await rows("idempotency")]).toEqual([405, 0]);
  const dueMs = ((await alarm()) ?? 0) - Date.now();
  expect(dueMs).toBeGreaterThan((LIMITS.tombstoneSeconds - 2 * LIMITS.idempotencySeconds) * 1000);
  expect(dueMs).toBeLessThanOrEqual(LIMITS.tombstoneSeconds * 1000);

  await sleep(LIMITS.tombstoneSeconds);
  expect(await rows("entries")).toBe(2);
  expect(await alarm()).toBeNull();
  await store.unwatch(namespace, "watched", "token");
  expect(await rows("entries")).toBe(2);
  await sleep(LIMITS.tombstoneSeconds);
  expect(await rows("entries")).toBe(1);
  expect(await alarm()).toBeNull();

  const again = await store.write(namespace, [{ ...set("deleted"), expect: 0 }]);
  const { head } = await store.readLog(namespace, "deleted", 0);
  expect(again).toMatchObject({ results: [{ change: { previous: 0, revision: head } }] });
  vi.restoreAllMocks();
});

it("removes what is old a step at a time, and other calls run between the steps", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  const keys = Array.from({ length: 100 }, (_, n) => `key-${n}`);
  for (let n = 0; n < 20; n++) {
    await object.write([
      ...keys.map((key) => ({ op: "set", key: `${n}-${key}`, value: "1", schemaRevision: 0 }) as const),
      ...keys.map((key) => ({ op: "delete", key: `${n}-${key}` }) as const),
    ]);
  }
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + (LIMITS.tombstoneSeconds + 60) * 1000);
  const counts = await runInDurableObject(object, async (instance, { storage }) => {
    const count = () => storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM entries").one().count;
    const seen: number[] = [];
    const sweep = instance.alarm().then(() => true);
    while (!(await Promise.race([sweep, scheduler.wait(0)]))) seen.push(count());
    return [...seen, count()];
  });
  vi.restoreAllMocks();
  expect(counts.at(-1)).toBe(0);
  for (const [index, count] of counts.slice(1).entries()) {
    expect((counts[index] ?? 0) - count).toBeLessThanOrEqual(2 * LIMITS.maxExpired);
  }
  expect(counts.length).toBeGreaterThan(5);
});

it("keeps a bounded number of idempotency records and of their bytes, and removes a bounded number in one step", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  await runInDurableObject(object, (_, { storage }) => {
    const stored = new Namespace(storage, { logLength: 1, quota: { keys: undefined, bytes: undefined } });
    const startUs = 1_700_000_000e6;
    const write = (n: number, atUs: number, count = 1) => {
      const operations = Array.from({ length: count }, () => ({ op: "delete", key: "a" }) as const);
      return stored.apply(operations, atUs, { idempotency: { id: `id-${n}`, fingerprint: "f" } });
    };
    const count = () => storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM idempotency").one().count;
    const { maxIdempotencyRecords } = LIMITS;
    storage.transactionSync(() => {
      for (let n = 0; n < maxIdempotencyRecords + 1_000; n++) write(n, startUs);
    });
    expect(count()).toBe(maxIdempotencyRecords);
    const known = (n: number) => stored.recall({ id: `id-${n}`, fingerprint: "f" }, "a", startUs) !== null;
    expect([999, 1_000, maxIdempotencyRecords + 999].map(known)).toEqual([false, true, true]);

    // A batch's record has something for each of its operations.
    storage.transactionSync(() => {
      for (let n = 0; n < 2_500; n++) write(100_000 + n, startUs, 100);
    });
    const { bytes } = storage.sql
      .exec<{ bytes: number }>("SELECT sum(octet_length(results)) AS bytes FROM idempotency")
      .one();
    expect(bytes).toBeLessThan(LIMITS.maxIdempotencyBytes);
    expect(bytes).toBeGreaterThan(0.8 * LIMITS.maxIdempotencyBytes);

    const kept = count();
    write(200_000, startUs + 400e6);
    expect(count()).toBe(kept + 1 - 100);
    while (storage.transactionSync(() => stored.forgetOld(startUs + 400e6)));
    expect(count()).toBe(1);
    while (storage.transactionSync(() => stored.forgetOld(startUs + 800e6)));
    expect(count()).toBe(0);
  });
});

it("takes over tables of an earlier version, whose values do not say when they were created or by which writer", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  await runInDurableObject(object, (_, { storage }) => {
    for (const table of ["entries", "log", "idempotency", "expiries"]) storage.sql.exec(`DROP TABLE ${table}`);
    for (const migration of MIGRATIONS.slice(0, 4)) storage.sql.exec(migration);
    storage.kv.put("version", 4);
    storage.kv.delete("ring");
    // As version 4 wrote them.
    const atUs = 1_700_000_000e6;
    storage.sql.exec(
      `INSERT INTO entries (key, revision, ts_us, value_revision, value) VALUES ('a', 1, ${atUs}, 1, '"old"');
       INSERT INTO entries (key, revision, schema_revision, schema, schema_ts_us) VALUES ('b', 2, 2, 'true', ${atUs});
       INSERT INTO expiries (key, expires_us) VALUES ('a', ${atUs + 5e6});
       INSERT INTO log (revision, previous, key, event, action, ts_us, json) VALUES (1, 0, 'a', 'value', 'set', ${atUs}, '"old"');
       INSERT INTO log (revision, previous, key, event, action, ts_us, json) VALUES (2, 0, 'b', 'schema', 'set', ${atUs}, 'true');
       INSERT INTO idempotency (id, fingerprint, expires_us, results)
         VALUES ('1', 'f', ${atUs + 300e6}, '[{"revision":1,"previous":0,"ts":1,"watched":false,"namespaceWatched":true}]');`,
    );

    const stored = new Namespace(storage, {
      logLength: LIMITS.logLength,
      quota: { keys: undefined, bytes: undefined },
    });
    const old = { value: '"old"', ts: 1_700_000_000, revision: 1, expires: 1_700_000_005 };
    expect(stored.entries.entry("a", atUs)).toStrictEqual(old);
    expect(stored.entries.schema("b")).toStrictEqual({ schema: "true", ts: 1_700_000_000, revision: 2 });
    expect(stored.readLog("a", 0).changes).toStrictEqual([
      { revision: 1, previous: 0, key: "a", event: "value", action: "set", json: '"old"', ts: 1_700_000_000 },
    ]);
    const [result] = (stored.recall({ id: "1", fingerprint: "f" }, "a", atUs) as AppliedVersions).results;
    expect(result).toStrictEqual({ revision: 1, previous: 0, ts: 1, watched: false, namespaceWatched: true });

    const set = { op: "set", key: "a", value: '"new"', schemaRevision: 0, ttl: "keep" } as const;
    stored.apply([set], atUs + 1, { by: "me" });
    expect(stored.entries.entry("a", atUs + 1)).toStrictEqual({
      ...old,
      value: '"new"',
      ts: 1_700_000_000.000_001,
      revision: 3,
      by: "me",
    });
    stored.apply([{ op: "delete", key: "a" }, set], atUs + 2);
    const again = stored.entries.entry("a", atUs + 2);
    expect(again?.created).toBe(again?.ts);
    expect(again?.by).toBeUndefined();
  });
});

it("makes the calls of `many` with one call of the object, and reports each of its failures alone", async () => {
  const namespace = crypto.randomUUID();
  await store.readEntry(namespace, "any");
  await runInDurableObject(objectOf(namespace), (object) => {
    vi.spyOn(object, "write").mockRejectedValueOnce(new Error("SQLITE_FULL: database or disk is full"));
  });
  const set = (key: string) => ({ op: "set", key, value: "1", schemaRevision: 0 }) as const;
  const outcomes = await store.many(namespace, [
    { call: "write", operations: [set("a")], options: {} },
    { call: "write", operations: [set("b")], options: {} },
    { call: "readEntry", key: "a" },
  ]);
  expect(outcomes).toMatchObject([
    { outcome: "failed", error: { code: "store_full" } },
    { outcome: "done", reply: { outcome: "applied" } },
    { outcome: "done", reply: { text: "null" } },
  ]);
});
