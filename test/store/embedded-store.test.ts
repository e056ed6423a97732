// The embedded engine: the store contract, and its own behavior.

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { storeTimeouts } from "../../config/store-settings.ts";
import { MIGRATIONS } from "../../durable-objects/embedded-store/migrations.ts";
import { Namespace } from "../../durable-objects/embedded-store/namespace.ts";
import { createEmbeddedStore } from "../../memory/store/embedded.ts";
import type { AppliedVersions, Idempotency, Operation, Quota } from "../../memory/store/store.ts";
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
        use(name, (stored) => stored.apply(operations, nowUs(), { idempotency })),
      readEntry: (key: string) => use(name, (stored) => stored.entries.entry(key, nowUs())),
      readEntries: (after: string) => use(name, (stored) => stored.entries.page(after, nowUs())),
      readHistory: (key: string, before: number, limit: number) =>
        use(name, (stored) => stored.readHistory(key, before, limit, nowUs())),
    }),
  };
}

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
    await store.readEntry(namespace, "a"),
    await store.readSchema(namespace, "a"),
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
  expect(await store.readEntry(namespace, "a")).toBeNull();
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
  expect(await own.readEntry(namespace, "a")).toMatchObject({ value: "1" });
  expect(await own.checkHealth()).toEqual({ status: "full", evicts: false });

  const { now } = Date;
  const later = vi.spyOn(Date, "now").mockImplementation(() => now() + 60_000);
  expect(await own.checkHealth()).toEqual({ status: "ok", evicts: false });
  later.mockRestore();
  await evictDurableObject(object);
  expect(await own.write(namespace, [operation])).toMatchObject({ outcome: "applied" });
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
    expect(stored.recall({ id: "one", fingerprint: "f" }, endUs - 1)).not.toBeNull();
    expect(stored.recall({ id: "one", fingerprint: "f" }, endUs)).toBeNull();
    const again = apply("one", endUs + 1);
    expect(again).toBeGreaterThan(first as number);
    expect(apply("one", endUs + 2)).toBe(again);

    apply("two", endUs + 200e6);
    expect(remembered()).toEqual([{ id: "one" }, { id: "two" }]);
    apply("three", endUs + 301e6);
    expect(remembered()).toEqual([{ id: "three" }, { id: "two" }]);
  });
});

it("takes over tables of an earlier version, whose values do not say when they were created or by which writer", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  await runInDurableObject(object, (_, { storage }) => {
    for (const table of ["entries", "log", "idempotency", "expiries"]) storage.sql.exec(`DROP TABLE ${table}`);
    for (const migration of MIGRATIONS.slice(0, 4)) storage.sql.exec(migration);
    storage.kv.put("version", 4);
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
    const [result] = (stored.recall({ id: "1", fingerprint: "f" }, atUs) as AppliedVersions).results;
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
