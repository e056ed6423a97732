// Objects with the tables of every earlier version. The dumps in tables/ were written by the code of those versions:
//
//   version-1-before   c0a89d1 until 5a6db67, whose first migration was edited later
//   version-1          5a6db67 until 3e0b658
//   version-2          3e0b658 until 83c0b04
//   version-3          83c0b04 until 7e35ef6
//   version-4          7e35ef6 until 6f2e09c
//   version-5          6f2e09c until 0b0bcca
//   version-6          0b0bcca and after
//
// No other commit had other tables.

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { storeTimeouts } from "../../config/store-settings.ts";
import { EMBEDDED_VERSION } from "../../config/store-versions.ts";
import { MIGRATIONS } from "../../durable-objects/embedded-store/migrations.ts";
import { Namespace } from "../../durable-objects/embedded-store/namespace.ts";
import { createEmbeddedStore } from "../../memory/store/embedded.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import version1 from "./tables/version-1.sql?raw";
import version1Before from "./tables/version-1-before.sql?raw";
import version2 from "./tables/version-2.sql?raw";
import version3 from "./tables/version-3.sql?raw";
import version4 from "./tables/version-4.sql?raw";
import version5 from "./tables/version-5.sql?raw";
import version6 from "./tables/version-6.sql?raw";

const DUMPS = [
  ["version 1, before its edit", version1Before],
  ["version 1", version1],
  ["version 2", version2],
  ["version 3", version3],
  ["version 4", version4],
  ["version 5", version5],
  ["version 6", version6],
] as const;

/** When the dumps were written: one write a second. */
const BEGIN = 1_795_000_000;
const UNLIMITED = { logLength: LIMITS.logLength, quota: { keys: undefined, bytes: undefined } };

/** Makes the object one that has not been woken since the dump was written. */
async function restore(object: DurableObjectStub, dump: string): Promise<void> {
  await runInDurableObject(object, (_, { storage }) => {
    for (const table of ["entries", "log", "idempotency", "expiries"]) storage.sql.exec(`DROP TABLE ${table}`);
    for (const [name] of [...storage.kv.list()]) storage.kv.delete(name);
    const [, stored = ""] = /^-- stored: (.*)/.exec(dump) ?? [];
    for (const [name, value] of Object.entries(JSON.parse(stored))) storage.kv.put(name, value);
    storage.sql.exec(dump);
  });
}

it.each(DUMPS)("serves what an object with the tables of %s has", async (_, dump) => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  await (object as unknown as { ping(): Promise<void> }).ping();
  await restore(object, dump);
  await runInDurableObject(object, (_, { storage }) => {
    const version = storage.kv.get<number>("version") ?? 0;
    const first = storage.kv.get<number>("begin") ?? 0;
    const nth = (n: number) => first + n;
    const stored = new Namespace(storage, UNLIMITED);
    expect(storage.kv.get("version")).toBe(MIGRATIONS.length);
    const nowUs = (BEGIN + 20) * 1e6;
    const by = version >= 5 ? { by: "an agent" } : {};
    const created = (seconds: number) => (version >= 5 ? { created: BEGIN + seconds } : {});

    expect(stored.entries.entry("doc", nowUs)).toEqual({
      value: '{"x":2}',
      ts: BEGIN + 2,
      revision: nth(3),
      ...created(0),
      ...by,
    });
    expect(stored.entries.entry("ä😀", nowUs)).toMatchObject({ value: "null", revision: nth(5) });
    for (const key of ["deleted", "never written", "only a schema", "no schema"]) {
      expect(stored.entries.entry(key, nowUs), key).toBeNull();
    }
    const schema = { schema: "true", revision: nth(7), ts: version >= 3 ? BEGIN + 4 : 0, ...by };
    expect(stored.entries.schema("only a schema")).toEqual(schema);
    expect(stored.entries.schema("doc")).toMatchObject({ schema: '{"type":"object"}', revision: nth(2) });
    expect(stored.entries.schema("no schema")).toBeNull();
    const later = [...(version >= 4 ? ["expires"] : []), "only a schema", ...(version >= 2 ? ["repeated"] : [])];
    expect(stored.entries.names("", nowUs).names.map(({ key }) => key)).toEqual(["doc", ...later, "ä😀"]);
    if (version >= 4) {
      expect(stored.entries.entry("expires", nowUs)?.expires).toBe(BEGIN + 8 + 86_400);
      expect(stored.entries.entry("expires", nowUs + 86_400e6)).toBeNull();
    }

    const count = 9 + (version >= 2 ? 1 : 0) + (version >= 4 ? 1 : 0);
    const { changes, truncated, head } = stored.readLog(ALL_KEYS, first);
    expect({ truncated, head }).toEqual({ truncated: false, head: nth(count) });
    expect(changes.map(({ revision }) => revision)).toEqual(Array.from({ length: count }, (_, n) => nth(n + 1)));
    expect(changes.slice(0, 6).map(({ key, action, json }) => [key, action, json])).toEqual([
      ["doc", "set", '{"x":1.0,"big":9007199254740993}'],
      ["doc", "set", '{"type":"object"}'],
      ["doc", "set", '{"x":2}'],
      ["deleted", "set", '"it\'s gone"'],
      ["ä😀", "set", "null"],
      ["deleted", "delete", null],
    ]);
    expect(stored.readHistory("doc", nth(3), 10, nowUs).changes.map(({ revision }) => revision)).toEqual([
      nth(2),
      nth(1),
    ]);

    if (version >= 2) {
      const idempotency = { id: "id", fingerprint: "fingerprint", needsText: true };
      const repeated = { outcome: "applied", text: '"first"', results: [{ revision: nth(10) }, { change: null }] };
      expect(stored.recall(idempotency, "repeated", nowUs)).toMatchObject(repeated);
      expect(stored.recall(idempotency, "repeated", (BEGIN + 400) * 1e6)).toBeNull();
    }

    // It goes on from there.
    const write = (key: string, value: string, schemaRevision = 0) =>
      stored.apply([{ op: "set", key, value, schemaRevision }], nowUs, { idempotency: { id: key, fingerprint: "f" } });
    const goesOn = (previous: number, n: number, watched: boolean) => ({
      results: [{ revision: nth(count + n), previous, watched, namespaceWatched: version >= 3 }],
    });
    // The flag of a watch had no token, so that watch is gone until its channel comes again.
    expect(write("doc", "{}", nth(2))).toMatchObject(goesOn(nth(3), 1, dump !== version1Before));
    expect(write("deleted", "1")).toMatchObject(goesOn(nth(6), 2, false));
    expect(write("never written", "1")).toMatchObject(goesOn(0, 3, dump !== version1Before));
    const keys = () =>
      storage.sql
        .exec<{ key: string }>("SELECT key FROM entries WHERE revision > 0 ORDER BY key")
        .toArray()
        .map(({ key }) => key);
    expect(keys()).toContain("no schema");
    while (stored.forgetOld((BEGIN + 2 * 86_400) * 1e6));
    expect(keys()).toEqual(["deleted", "doc", ...later.toSpliced(version >= 4 ? 1 : 0, 0, "never written"), "ä😀"]);
  });
});

it("has the changes of an earlier version in a ring, however long that is", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  await (object as unknown as { ping(): Promise<void> }).ping();
  for (const logLength of [1, 4, 10, 11, 12, 1_000]) {
    await restore(object, version6);
    await runInDurableObject(object, (_, { storage }) => {
      const first = storage.kv.get<number>("begin") ?? 0;
      const kept = Math.min(logLength, 11);
      const stored = new Namespace(storage, { ...UNLIMITED, logLength });
      const changes = () => stored.readLog(ALL_KEYS, first + 11 - kept).changes.map(({ revision }) => revision - first);
      expect(changes()).toEqual(Array.from({ length: kept }, (_, n) => 12 - kept + n));
      stored.apply([{ op: "set", key: "a", value: "1", schemaRevision: 0 }], BEGIN * 1e6);
      expect(changes().at(-1)).toBe(12);
      expect(storage.sql.exec("SELECT 1 FROM log").toArray()).toHaveLength(Math.min(logLength, 12));
    });
  }
});

it.each(DUMPS)("is the same for callers of an object with the tables of %s", async (_, dump) => {
  const namespace = crypto.randomUUID();
  const store = createEmbeddedStore(env.EMBEDDED_STORE, storeTimeouts(env));
  const object = env.EMBEDDED_STORE.getByName(`namespace:${namespace}`);
  await store.readEntry(namespace, "doc");
  await restore(object, dump);
  await evictDurableObject(object);
  expect(entryOf(await store.readEntry(namespace, "doc"))).toMatchObject({ value: '{"x":2}', ts: BEGIN + 2 });
  const { head } = await store.watch(namespace, "doc", "a token");
  expect(await store.write(namespace, [{ op: "delete", key: "doc" }])).toMatchObject({
    results: [{ change: { revision: head + 1 }, watched: true }],
  });
  await evictDurableObject(object);
  expect(entryOf(await store.readEntry(namespace, "doc"))).toBeNull();
});

it("keeps of a log that is larger than a log may be what fits, and its last change in any case", async () => {
  const object = env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
  await (object as unknown as { ping(): Promise<void> }).ping();
  await restore(object, version5);
  await runInDurableObject(object, (_, { storage }) => {
    const { head } = storage.sql.exec<{ head: number }>("SELECT max(revision) AS head FROM log").one();
    const value = `"${"x".repeat(250_000)}"`;
    for (let n = 1; n <= 80; n++) {
      storage.sql.exec(
        "INSERT INTO log (revision, previous, key, event, action, ts_us, json) VALUES (?, 0, 'b', 'value', 'set', 1, ?)",
        head + n,
        value,
      );
    }
    const stored = new Namespace(storage, UNLIMITED);
    const bytes = value.length + 1 + LIMITS.rowBytes;
    const fit = Math.floor(LIMITS.maxLogBytes / bytes);
    const rows = () => storage.sql.exec<{ revision: number }>("SELECT revision FROM log").toArray();
    expect(rows().map(({ revision }) => revision)).toEqual(Array.from({ length: fit }, (_, n) => head + 81 - fit + n));
    // It counts from here as if it always had.
    stored.apply([{ op: "set", key: "b", value, schemaRevision: 0 }], BEGIN * 1e6);
    expect(rows()).toHaveLength(fit);
    expect(stored.readLog(ALL_KEYS, head)).toMatchObject({ truncated: true, head: head + 81 });
  });
});

it("refuses an object whose tables a newer memX has written, and changes nothing in it", async () => {
  const namespace = crypto.randomUUID();
  const store = createEmbeddedStore(env.EMBEDDED_STORE, storeTimeouts(env));
  const object = env.EMBEDDED_STORE.getByName(`namespace:${namespace}`);
  await store.write(namespace, [{ op: "set", key: "doc", value: "1", schemaRevision: 0 }]);
  await runInDurableObject(object, (_, { storage }) => storage.kv.put("version", MIGRATIONS.length + 1));
  await evictDurableObject(object);
  const refused = {
    code: "store_unavailable",
    message: expect.stringContaining("A newer memX has written this store"),
  };
  await expect(store.readEntry(namespace, "doc")).rejects.toMatchObject(refused);
  const operation = { op: "set", key: "doc", value: "2", schemaRevision: 0 } as const;
  await expect(store.write(namespace, [operation])).rejects.toMatchObject(refused);
});

it("says which version the tables have", () => {
  expect(EMBEDDED_VERSION).toBe(MIGRATIONS.length);
});

it("has the migrations as they were released", async () => {
  const checksum = async (text: string) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return new Uint8Array(digest).toHex().slice(0, 16);
  };
  // Never change a line here: an object that has run a migration does not run it again. Add one for a new migration.
  expect(await Promise.all(MIGRATIONS.map(checksum))).toEqual([
    "b5769149301e10ae",
    "0370049b8d2dcaa3",
    "ca96bef0ccb2088d",
    "a281571c7f076c40",
    "c8281a7d5177d122",
    "cac827dfcdbd30c7",
    "07fe85bdafd6de09",
  ]);
});
