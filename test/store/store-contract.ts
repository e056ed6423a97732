// The contract of every `Store`, whatever its engine. Takes the store as an argument. Each test has a fresh namespace.

import { beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import { ALL_KEYS, type AppliedChange, type Operation, type Store } from "../../memory/store/store.ts";
import { readStored } from "../support/stored-keys.ts";
import { comparable } from "./comparable.ts";
import { storeSequences } from "./store-sequences.ts";

type Engine = {
  readonly logLength: number;
  /** Changes beyond `logLength` that the log may keep until they leave together. */
  readonly logSlack?: number;
  /** Stops the engine's own sweeps in a namespace. */
  readonly keepFromSweeping?: (namespace: string) => Promise<void>;
};

export function storeContract(
  name: string,
  openStore: () => Store,
  { logLength, logSlack = 0, keepFromSweeping = async () => {} }: Engine,
): void {
  describe(name, () => {
    const store = comparable(openStore());
    let namespace: string;
    let begin: number;
    beforeEach(async () => {
      namespace = crypto.randomUUID();
      begin = (await store.watch(namespace, ALL_KEYS, "begin")).head;
      await store.unwatch(namespace, ALL_KEYS, "begin");
    });
    /** The revision of the namespace's n-th change. */
    const nth = (n: number) => begin + n;

    /** Applies one operation and returns its change, or `null` if there was nothing to change. */
    async function apply(operation: Operation): Promise<AppliedChange | null> {
      const outcome = await store.write(namespace, [operation]);
      if (outcome.outcome !== "applied") throw new Error(outcome.outcome);
      const [result] = outcome.results;
      return result?.change ? result : null;
    }
    const set = (key: string, value: string, schemaRevision = 0) => apply({ op: "set", key, value, schemaRevision });

    it("counts one revision per change, and links each change to the previous one of the same key", async () => {
      const changes = [await set("a", "1"), await set("b", "1"), await set("a", "2")];
      expect(changes.map((applied) => [applied?.change.revision, applied?.change.previous])).toEqual([
        [nth(1), 0],
        [nth(2), 0],
        [nth(3), nth(1)],
      ]);
    });

    it("begins to count at the time in microseconds, so that no store before it has used a higher revision", async () => {
      expect(Math.abs(begin / 1000 - Date.now())).toBeLessThan(60_000);
      const unwatched = `${namespace}x`;
      const outcome = await store.write(unwatched, [{ op: "set", key: "a", value: "1", schemaRevision: 0 }]);
      if (outcome.outcome !== "applied") throw new Error(outcome.outcome);
      expect(outcome.results[0]?.change?.revision).toBeGreaterThan(begin);
    });

    it("keeps namespaces apart, including the empty one", async () => {
      await set("a", "1");
      expect(entryOf(await store.readEntry(`${namespace}x`, "a"))).toBeNull();
      expect(entryOf(await store.readEntry("", `${namespace}:a`))).toBeNull();
      expect((await set("b", "1"))?.change.revision).toBe(nth(2));
    });

    it.each([
      ["an empty string", '""'],
      ["null", "null"],
      ["a number that does not fit in a double", "9007199254740993"],
      ["white space", '{ "a" :\n[ ] }'],
      ["an emoji and an escaped NUL", '"😀\\u0000"'],
      ["a word that looks like a reply", '"OK"'],
      ["an empty text", ""],
      ["a NUL", "\0"],
      ["123", "123"],
      ["a bare word that looks like a reply", "OK"],
      ["256 KiB", `"${"x".repeat(256 * 1024 - 2)}"`],
    ])("returns %s exactly as written, from the entry and from the log", async (_, value) => {
      const applied = await set("a", value);
      const ts = applied?.change.ts;
      expect(entryOf(await store.readEntry(namespace, "a"))).toEqual({ value, ts, revision: nth(1), created: ts });
      expect((await store.readLog(namespace, "a", 0)).changes).toEqual([applied?.change]);
    });

    it("refuses a value that was not checked against the key's current schema, and returns that schema", async () => {
      const schema = '{"type":"number"}';
      await apply({ op: "schema_set", key: "a", schema });
      const current = (await store.readSchema(namespace, "a")).schema;
      const refused = { outcome: "schema_changed", schemas: [{ key: "a", schema: current }] };
      expect(current).toMatchObject({ schema, revision: nth(1) });
      expect(await store.write(namespace, [{ op: "set", key: "a", value: '"x"', schemaRevision: 0 }])).toEqual(refused);
      expect(entryOf(await store.readEntry(namespace, "a"))).toBeNull();
      expect((await set("a", "1", nth(1)))?.change.revision).toBe(nth(2));
      await apply({ op: "schema_delete", key: "a" });
      expect(await store.write(namespace, [{ op: "set", key: "a", value: "2", schemaRevision: nth(1) }])).toEqual({
        outcome: "schema_changed",
        schemas: [{ key: "a", schema: null }],
      });
      expect((await set("a", "2", 0))?.change.previous).toBe(nth(3));
    });

    it("sets, reads and deletes a schema without touching the value", async () => {
      await set("a", "1");
      const before = entryOf(await store.readEntry(namespace, "a"));
      expect((await store.readSchema(namespace, "a")).schema).toBeNull();
      await apply({ op: "schema_set", key: "a", schema: "true" });
      const { change } = (await set("b", "1")) as AppliedChange;
      const schema = (await store.readSchema(namespace, "a")).schema;
      expect(schema).toEqual({ schema: "true", revision: nth(2), ts: expect.any(Number) });
      expect(Math.abs(change.ts - (schema?.ts ?? 0))).toBeLessThan(60);
      expect((await apply({ op: "schema_delete", key: "a" }))?.change).toMatchObject({
        action: "delete",
        revision: nth(4),
      });
      expect(await apply({ op: "schema_delete", key: "a" })).toBeNull();
      expect(entryOf(await store.readEntry(namespace, "a"))).toEqual(before);
    });

    it("leaves a tombstone: a deleted key is absent, and continues from its time and revision", async () => {
      const written = await set("a", "1");
      const deleted = await apply({ op: "delete", key: "a" });
      expect(deleted?.change).toMatchObject({
        event: "value",
        action: "delete",
        revision: nth(2),
        previous: nth(1),
        json: null,
      });
      expect(deleted?.change.ts).toBeGreaterThan(written?.change.ts ?? Infinity);
      expect(entryOf(await store.readEntry(namespace, "a"))).toBeNull();
      expect(await apply({ op: "delete", key: "a" })).toBeNull();
      const again = await set("a", "2");
      expect(again?.change).toMatchObject({ revision: nth(3), previous: nth(2) });
      expect(again?.change.ts).toBeGreaterThan(deleted?.change.ts ?? Infinity);
    });

    it("applies all operations of a write or none", async () => {
      await apply({ op: "schema_set", key: "b", schema: "true" });
      const operations: Operation[] = [
        { op: "set", key: "a", value: "1", schemaRevision: 0 },
        { op: "set", key: "b", value: "1", schemaRevision: 0 },
      ];
      expect(await store.write(namespace, operations)).toMatchObject({
        outcome: "schema_changed",
        schemas: [{ key: "b" }],
      });
      expect(entryOf(await store.readEntry(namespace, "a"))).toBeNull();
      operations[1] = { op: "set", key: "b", value: "1", schemaRevision: nth(1) };
      const outcome = await store.write(namespace, operations);
      expect(outcome).toMatchObject({
        outcome: "applied",
        results: [{ change: { revision: nth(2) } }, { change: { revision: nth(3) } }],
      });
    });

    it("says for each change whether its key is watched, and tells a watcher the revision of the namespace", async () => {
      expect(await store.watch(namespace, "never written", "first")).toEqual({ head: begin, expiresInMs: null });
      expect((await set("a", "1"))?.watched).toBe(false);
      expect((await store.watch(namespace, "a", "first")).head).toBe(nth(1));
      expect((await set("a", "2"))?.watched).toBe(true);
      expect((await set("b", "2"))?.watched).toBe(false);
      expect(entryOf(await store.readEntry(namespace, "never written"))).toBeNull();
      expect((await apply({ op: "schema_set", key: "a", schema: "true" }))?.watched).toBe(true);
      await store.unwatch(namespace, "a", "first");
      expect((await set("a", "3", nth(4)))?.watched).toBe(false);
    });

    it("says for each change whether its whole namespace is watched", async () => {
      const watched = async (key: string) => (await set(key, "1"))?.namespaceWatched;
      await store.watch(namespace, "a", "token");
      expect(await watched("a")).toBe(false);
      expect((await store.watch(namespace, ALL_KEYS, "token")).head).toBe(nth(1));
      expect([await watched("a"), await watched("b")]).toEqual([true, true]);
      expect((await set("b", "1"))?.watched).toBe(false);
      await store.unwatch(namespace, ALL_KEYS, "token");
      expect(await watched("a")).toBe(false);
      // ALL_KEYS is not a key itself.
      await store.watch(namespace, ALL_KEYS, "token");
      expect((await readStored(store, namespace)).map(({ key }) => key)).toEqual(["a", "b"]);
    });

    it("keeps a later watch when an earlier watch ends, however late", async () => {
      await store.watch(namespace, "a", "channel.first");
      await store.watch(namespace, "a", "channel.second");
      await store.unwatch(namespace, "a", "channel.first");
      expect((await set("a", "1"))?.watched).toBe(true);
      await store.unwatch(namespace, "a", "channel.second");
      expect((await set("a", "2"))?.watched).toBe(false);
    });

    it("reads a key's log after any revision", async () => {
      for (const value of ["1", "2", "3"]) {
        await set("a", value);
        await set("b", value);
      }
      const { changes, more, truncated } = await store.readLog(namespace, "a", nth(1));
      expect(changes.map(({ revision, key, json }) => [revision, key, json])).toEqual([
        [nth(3), "a", "2"],
        [nth(5), "a", "3"],
      ]);
      expect({ more, truncated }).toEqual({ more: false, truncated: false });
      expect((await store.readLog(namespace, "a", nth(5))).changes).toEqual([]);
    });

    it("reads the log of all keys, and returns the revision of the namespace", async () => {
      for (const key of ["a", "b", "a"]) await set(key, "1");
      const { changes, head, truncated } = await store.readLog(namespace, ALL_KEYS, nth(1));
      expect(changes.map(({ revision, key }) => [revision, key])).toEqual([
        [nth(2), "b"],
        [nth(3), "a"],
      ]);
      expect({ head, truncated }).toEqual({ head: nth(3), truncated: false });
      expect(await store.readLog(namespace, "never written", 0)).toMatchObject({ changes: [], head: nth(3) });
    });

    it("reads a key's changes before any revision, newest first", async () => {
      for (const value of ["1", "2", "3"]) {
        await set("a", value);
        await set("b", value);
      }
      const revisions = async (before: number, limit: number) =>
        (await store.readHistory(namespace, "a", before, limit)).changes.map(({ revision }) => revision);
      expect(await revisions(Number.MAX_SAFE_INTEGER, 10)).toEqual([nth(5), nth(3), nth(1)]);
      expect(await revisions(Number.MAX_SAFE_INTEGER, 2)).toEqual([nth(5), nth(3)]);
      expect(await revisions(nth(5), 2)).toEqual([nth(3), nth(1)]);
      expect(await revisions(nth(1), 2)).toEqual([]);
    });

    it("reads a history of large changes a few at a time, and at least one", async () => {
      const value = `"${"x".repeat(250_000)}"`;
      for (let n = 0; n < 40; n++) await set("a", value);
      const revisions: number[] = [];
      for (let before = Number.MAX_SAFE_INTEGER; before > nth(1); ) {
        const changes = (await store.readHistory(namespace, "a", before, 1_000)).changes;
        expect(changes.length).toBeGreaterThan(0);
        expect(changes.length).toBeLessThan(40);
        revisions.push(...changes.map(({ revision }) => revision));
        before = revisions.at(-1) ?? 0;
      }
      expect(revisions).toEqual(Array.from({ length: 40 }, (_, index) => nth(40 - index)));
    });

    it("reads all keys with a value or a schema, page by page, in byte order", async () => {
      const keys = Array.from({ length: 1_200 }, (_, n) => `k${n}`);
      // By UTF-16, "\uffff" would come after "😀".
      keys.push("\uffff", "😀", "a b", "ä");
      for (let n = 0; n < keys.length; n += 100) {
        const sets = keys.slice(n, n + 100).map((key) => ({ op: "set", key, value: "1", schemaRevision: 0 }) as const);
        await store.write(namespace, sets);
      }
      await apply({ op: "schema_set", key: "k1", schema: "true" });
      await apply({ op: "schema_set", key: "only a schema", schema: "false" });
      await apply({ op: "delete", key: "k2" });
      await apply({ op: "schema_set", key: "neither", schema: "false" });
      await apply({ op: "schema_delete", key: "neither" });

      expect((await store.readNames(namespace, "")).next).not.toBe(null);
      const listed = await readStored(store, namespace);
      const bytes = (text: string) =>
        Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");
      const expected = [...keys.filter((key) => key !== "k2"), "only a schema"];
      expect(listed.map(({ key }) => key)).toEqual(expected.toSorted((x, y) => (bytes(x) < bytes(y) ? -1 : 1)));
      for (const { key, entry, schema } of listed) {
        expect(entry).toEqual(
          key === "k1" || key === "only a schema" ? entryOf(await store.readEntry(namespace, key)) : entry,
        );
        expect(schema).toEqual(
          key === "k1" || key === "only a schema" ? (await store.readSchema(namespace, key)).schema : null,
        );
      }
    });

    it("names what a key has by revision, and leaves out what has expired", async () => {
      await set("a", "1");
      await apply({ op: "schema_set", key: "a", schema: "true" });
      await apply({ op: "schema_set", key: "b", schema: "true" });
      await apply({ op: "set", key: "b", value: "1", schemaRevision: nth(3), ttl: 0.001 });
      await apply({ op: "set", key: "c", value: "1", schemaRevision: 0, ttl: 0.001 });
      await store.watch(namespace, "never written", "token");
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await store.readNames(namespace, "")).toEqual({
        names: [
          { key: "a", valueRevision: nth(1), schemaRevision: nth(2) },
          { key: "b", valueRevision: 0, schemaRevision: nth(3) },
        ],
        next: null,
      });
      expect(await store.readEntries(namespace, ["c", "b", "absent"])).toMatchObject([
        { key: "c", entry: null, schema: null },
        { key: "b", entry: null, schema: { schema: "true" } },
        { key: "absent", entry: null, schema: null },
      ]);
    });

    it("reads large values and changes in pages, and says which changes are gone", async () => {
      const value = `"${"x".repeat(250_000)}"`;
      const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
      for (const key of keys) await set(key, value);
      const page = await store.readEntries(namespace, keys);
      expect(page.length).toBeLessThan(10);
      expect(page.map(({ key }) => key)).toEqual(keys.slice(0, page.length));
      const revisions = keys.map((_, n) => nth(n + 1));
      const changes = await store.readChanges(namespace, revisions);
      expect(changes.length).toBeLessThan(10);
      expect(changes.map((change) => change?.json)).toEqual(changes.map(() => value));
      const filler = { op: "set", key: "b", value: "0", schemaRevision: 0 } as const;
      await store.write(namespace, Array(logLength + logSlack).fill(filler));
      const dropped = 20 + logSlack;
      expect(await store.readChanges(namespace, [nth(1), nth(dropped + 1)])).toMatchObject([null, { key: "b" }]);
      expect((await store.scanLog(namespace, nth(dropped - 1))).truncated).toBe(true);
      expect(await store.scanLog(namespace, nth(dropped))).toMatchObject({ truncated: false, more: false });
      expect((await store.scanLog(namespace, begin - 1)).truncated).toBe(true);
      expect(await store.scanLog(namespace, nth(logLength + dropped))).toMatchObject({ changes: [], truncated: false });
    });

    it("returns a large log in slices", async () => {
      const value = `"${"x".repeat(250_000)}"`;
      for (let n = 0; n < 40; n++) await set("a", value);
      const revisions: number[] = [];
      let slices = 0;
      for (let more = true; more; slices++) {
        const slice = await store.readLog(namespace, "a", revisions.at(-1) ?? 0);
        revisions.push(...slice.changes.map(({ revision }) => revision));
        more = slice.more;
      }
      expect(revisions).toEqual(Array.from({ length: 40 }, (_, index) => nth(index + 1)));
      expect(slices).toBeGreaterThan(1);
    });

    it("keeps the last changes of a namespace, and says if requested changes are missing", async () => {
      const sets = (length: number) =>
        Array.from({ length }, () => ({ op: "set", key: "b", value: "0", schemaRevision: 0 }) as const);
      await store.write(namespace, sets(logSlack));
      const last = nth(logSlack + 2);
      await set("a", "1");
      await set("a", "2");
      await store.write(namespace, sets(logLength));
      expect(await store.readLog(namespace, "a", 0)).toMatchObject({ changes: [], truncated: true });
      expect((await store.readLog(namespace, ALL_KEYS, last)).truncated).toBe(false);
      expect((await store.readLog(namespace, ALL_KEYS, last - 1)).truncated).toBe(true);
      // For one key, the log is complete as long as each change links to the one before it.
      expect((await store.readLog(namespace, "a", last - 1)).truncated).toBe(true);
      expect((await store.readLog(namespace, "a", last)).truncated).toBe(false);
      await store.watch(namespace, "b", "token");
      expect((await store.readLog(namespace, "b", last + logLength)).truncated).toBe(false);
      await store.write(namespace, sets(logSlack + 1));
      const dropped = last + logSlack + 1;
      expect((await store.readLog(namespace, "b", dropped - 1)).truncated).toBe(true);
      expect((await store.readLog(namespace, "b", dropped)).truncated).toBe(false);
      // A revision of another store, or of this one before it was emptied, is unrelated to this log.
      expect((await store.readLog(namespace, "a", begin - 1)).truncated).toBe(true);
      expect((await store.readLog(namespace, ALL_KEYS, begin - 1)).truncated).toBe(true);
      expect((await set("a", "3"))?.change).toMatchObject({ revision: dropped + logLength + 1, previous: last });
    });

    it("knows that a watched key was never written, however many other changes there are", async () => {
      const { head: from } = await store.watch(namespace, "never written", "token");
      const sets = Array.from(
        { length: logLength + logSlack + 5 },
        () => ({ op: "set", key: "b", value: "0", schemaRevision: 0 }) as const,
      );
      await store.write(namespace, sets);
      expect((await store.readLog(namespace, "never written", from)).truncated).toBe(false);
      await store.write(namespace, sets);
      // The key's first change has no previous one.
      await set("never written", "1");
      expect(await store.readLog(namespace, "never written", from)).toMatchObject({
        truncated: false,
        changes: [{ previous: 0 }],
      });
    });

    it("orders concurrent writes, and keeps the changes of each write together", async () => {
      const pair = (n: number): Operation[] =>
        ["a", "b"].map((key) => ({ op: "set", key, value: String(n), schemaRevision: 0 }));
      const outcomes = await Promise.all(Array.from({ length: 50 }, (_, n) => store.write(namespace, pair(n))));
      const revisions = outcomes.flatMap((outcome) =>
        outcome.outcome === "applied" ? outcome.results.map((applied) => applied.change?.revision ?? 0) : [],
      );
      expect(revisions.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, index) => nth(index + 1)));
      for (let n = 0; n < 50; n++) expect(revisions[2 * n + 1]).toBe((revisions[2 * n] ?? 0) + 1);
      const [a, b] = await Promise.all([store.readEntry(namespace, "a"), store.readEntry(namespace, "b")]);
      expect(entryOf(a)?.value).toBe(entryOf(b)?.value);
    });

    it("keeps a key with an expired value until the expiry is a change, whatever happens to its schema", async () => {
      await store.write(namespace, [{ op: "set", key: "a", value: "1", schemaRevision: 0, ttl: 0.001 }]);
      await apply({ op: "schema_set", key: "a", schema: "true" });
      await new Promise((resolve) => setTimeout(resolve, 5));
      await apply({ op: "schema_delete", key: "a" });
      const second = await apply({ op: "schema_set", key: "a", schema: "false" });
      const history = (await store.readHistory(namespace, "a", Number.MAX_SAFE_INTEGER, 10)).changes;
      expect(history.map(({ event, action }) => `${event} ${action}`)).toEqual([
        "value expire",
        "schema set",
        "schema delete",
        "schema set",
        "value set",
      ]);
      expect(await readStored(store, namespace)).toEqual([
        { key: "a", entry: null, schema: { schema: "false", ts: second?.change.ts, revision: nth(4) } },
      ]);
    });

    it("turns expired values into changes for a watcher, and says when the next value expires", async () => {
      const live = (key: string, ttl: number) => ({ op: "set", key, value: "1", schemaRevision: 0, ttl }) as const;
      await store.write(namespace, [live("a", 0.001), live("b", 0.001), live("c", 50), live("d", 100)]);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await store.watch(namespace, "a", "token")).toEqual({ head: nth(5), expiresInMs: null });
      const { expiresInMs } = await store.watch(namespace, "d", "token");
      expect(expiresInMs).toBeGreaterThan(90_000);
      expect(expiresInMs).toBeLessThanOrEqual(100_000);
      const all = await store.watch(namespace, ALL_KEYS, "token");
      expect(all.head).toBe(nth(6));
      expect(all.expiresInMs).toBeGreaterThan(40_000);
      expect(all.expiresInMs).toBeLessThanOrEqual(50_000);
      const { changes } = await store.readLog(namespace, ALL_KEYS, nth(4));
      expect(changes.map(({ action, key }) => [action, key])).toEqual([
        ["expire", "a"],
        ["expire", "b"],
      ]);
    });

    it("knows when a key got its value, until a delete or an expiry ends that value", async () => {
      const live = (ttl: number): Operation => ({ op: "set", key: "a", value: "1", schemaRevision: 0, ttl });
      const created = async () => entryOf(await store.readEntry(namespace, "a"))?.created;
      const first = await set("a", "1");
      expect(first?.change.created).toBe(first?.change.ts);
      for (const value of ["2", "3"]) expect((await set("a", value))?.change.created).toBe(first?.change.ts);
      await apply({ op: "schema_set", key: "a", schema: "true" });
      await apply({ op: "schema_delete", key: "a" });
      expect(await created()).toBe(first?.change.ts);
      const deleted = await apply({ op: "delete", key: "a" });
      expect(deleted?.change).not.toHaveProperty("created", expect.any(Number));
      const second = await apply(live(0.001));
      expect(second?.change.created).toBe(second?.change.ts);
      await new Promise((resolve) => setTimeout(resolve, 5));
      const third = await apply(live(100));
      expect(third?.change.created).toBe(third?.change.ts);
      expect(await created()).toBe(third?.change.ts);
      // Its own time, not the time at which it arrived.
      const own = await apply({ op: "set", key: "b", value: "1", schemaRevision: 0, ts: 1_000.25 });
      expect(own?.change).toMatchObject({ ts: 1_000.25, created: 1_000.25 });
    });

    it("knows when a value expires, and keeps that time only if a set says so", async () => {
      const write = (key: string, ttl?: number | "keep") =>
        apply({ op: "set", key, value: "1", schemaRevision: 0, ttl }).then((applied) => applied?.change.expires);
      const expires = await write("a", 100);
      expect(Math.abs((expires ?? 0) - Date.now() / 1000 - 100)).toBeLessThan(60);
      expect(await write("a", "keep")).toBe(expires);
      expect(entryOf(await store.readEntry(namespace, "a"))).toMatchObject({ expires });
      expect(await write("a", 200)).toBeGreaterThan((expires ?? 0) + 99);
      expect(await write("a")).toBeUndefined();
      expect(await write("a", "keep")).toBeUndefined();
      expect(entryOf(await store.readEntry(namespace, "a"))?.expires).toBeUndefined();
      // Within one write, each operation sees what the earlier ones did.
      const operations = [300, "keep", undefined, "keep"].map(
        (ttl) => ({ op: "set", key: "b", value: "1", schemaRevision: 0, ttl }) as Operation,
      );
      const outcome = await store.write(namespace, operations);
      const times = outcome.outcome === "applied" ? outcome.results.map((result) => result.change?.expires) : [];
      expect(times).toEqual([expect.any(Number), times[0], undefined, undefined]);
      const log = await store.readLog(namespace, "b", nth(1));
      expect(log.changes.map((change) => change.expires)).toEqual(times);
    });

    it("keeps the name of the writer with each change, and with what the change set", async () => {
      const by = 'an agent, "1" \\ 2';
      const all: Operation[] = [
        { op: "set", key: "a", value: "1", schemaRevision: 0 },
        { op: "schema_set", key: "a", schema: "true" },
        { op: "set", key: "gone", value: "1", schemaRevision: 0 },
        { op: "delete", key: "gone" },
        { op: "schema_set", key: "gone", schema: "true" },
        { op: "schema_delete", key: "gone" },
      ];
      const outcome = await store.write(namespace, all, { by });
      const changes = outcome.outcome === "applied" ? outcome.results.map(({ change }) => change) : [];
      expect(changes.map((change) => change?.by)).toEqual(all.map(() => by));
      expect((await store.readLog(namespace, ALL_KEYS, begin)).changes).toEqual(changes);
      const names = async () => [
        entryOf(await store.readEntry(namespace, "a"))?.by,
        (await store.readSchema(namespace, "a")).schema?.by,
      ];
      expect(await names()).toEqual([by, by]);
      expect((await set("a", "2", nth(2)))?.change.by).toBeUndefined();
      expect(await names()).toEqual([undefined, by]);
      await store.write(namespace, [{ op: "set", key: "a", value: "3", schemaRevision: nth(2) }], { by: "0" });
      await apply({ op: "schema_set", key: "a", schema: "false" });
      expect(await names()).toEqual(["0", undefined]);
      await apply({ op: "delete", key: "a" });
      expect((await set("a", "4", nth(9)))?.change.by).toBeUndefined();
      expect(await names()).toEqual([undefined, undefined]);
    });

    it("names no writer of an expiry, not even the one whose set found the value expired", async () => {
      const operation: Operation = { op: "set", key: "a", value: "1", schemaRevision: 0, ttl: 0.001 };
      await store.write(namespace, [operation], { by: "first" });
      await new Promise((resolve) => setTimeout(resolve, 5));
      await store.write(namespace, [operation], { by: "second" });
      const { changes } = await store.readLog(namespace, "a", begin);
      expect(changes.map(({ action, by }) => [action, by])).toEqual([
        ["set", "first"],
        ["expire", undefined],
        ["set", "second"],
      ]);
    });

    it("says the same of a value wherever it shows the value, and nothing more in a listing without values", async () => {
      await store.write(namespace, [{ op: "set", key: "a", value: "1", schemaRevision: 0, ttl: 100 }], { by: "me" });
      await store.write(namespace, [{ op: "schema_set", key: "a", schema: "true" }], { by: "you" });
      const entry = entryOf(await store.readEntry(namespace, "a"));
      const schema = (await store.readSchema(namespace, "a")).schema;
      expect(entry).toEqual({
        value: "1",
        ts: expect.any(Number),
        revision: nth(1),
        created: entry?.ts,
        expires: expect.any(Number),
        by: "me",
      });
      expect(await readStored(store, namespace)).toEqual([{ key: "a", entry, schema }]);
      const list = async (values: boolean) =>
        (await store.readKeys(namespace, { prefix: "", after: "", limit: 10, values })).keys;
      expect(await list(true)).toEqual([{ key: "a", ...entry }]);
      expect(await list(false)).toEqual([{ key: "a", ts: entry?.ts, revision: nth(1), value: null }]);
      const conflict = async (operation: Operation) => {
        const outcome = await store.write(namespace, [operation], { by: "another" });
        return outcome.outcome === "conflict" && outcome.current;
      };
      const { value: text, ...version } = entry ?? {};
      expect(await conflict({ op: "check", key: "a", expect: 0 })).toEqual({ text, ...version });
      expect(await conflict({ op: "schema_delete", key: "a", expect: 0 })).toEqual({
        text: "true",
        ts: schema?.ts,
        revision: nth(2),
        by: "you",
      });
    });

    it("reads many keys at one moment, while others write them together", async () => {
      const keys = ["a", "b", "never written", "a"];
      const pair = (n: number): Operation[] =>
        ["a", "b"].map((key) => ({ op: "set", key, value: String(n), schemaRevision: 0 }));
      await store.write(namespace, pair(0));
      const writes = Array.from({ length: 50 }, (_, n) => store.write(namespace, pair(n)));
      const reads = await Promise.all(Array.from({ length: 50 }, () => store.readMany(namespace, keys)));
      await Promise.all(writes);
      for (const outcome of [...reads, await store.readMany(namespace, keys)]) {
        if (outcome.outcome !== "read") throw new Error(outcome.outcome);
        const [a, b, none, again] = outcome.entries;
        expect([b?.value, none, again]).toEqual([a?.value, null, a]);
        expect(outcome.head).toBe(b?.revision);
      }
    });

    it("refuses to read values that are larger together than the limit, in bytes", async () => {
      const value = `"${"é".repeat(100_000)}"`;
      const count = Math.floor(LIMITS.maxReadBytes / 200_002);
      await set("a", value);
      const entry = entryOf(await store.readEntry(namespace, "a"));
      const read = (times: number) => store.readMany(namespace, Array(times).fill("a"));
      expect(await read(count)).toEqual({ outcome: "read", entries: Array(count).fill(entry), head: nth(1) });
      expect(await read(count + 1)).toEqual({ outcome: "too_large" });
    });

    describe("a write with an idempotency id", () => {
      const once = { id: "1", fingerprint: "f" };
      const operations: Operation[] = [
        { op: "set", key: "a", value: "1", schemaRevision: 0 },
        { op: "schema_delete", key: "a" },
      ];

      it("returns its first outcome again and changes nothing, whatever has happened since", async () => {
        const first = await store.write(namespace, operations, { idempotency: once });
        await apply({ op: "schema_set", key: "a", schema: "false" });
        await store.watch(namespace, "a", "token");
        expect(await store.write(namespace, operations, { idempotency: once })).toEqual(first);
        expect(await store.recall(namespace, operations, once)).toEqual(first);
        expect(entryOf(await store.readEntry(namespace, "a"))).toMatchObject({ value: "1", revision: nth(1) });
        expect((await set("b", "1"))?.change.revision).toBe(nth(3));
      });

      it("returns its first outcome with its first writer, also to a repeat with another name", async () => {
        const live: Operation[] = [
          { op: "delete", key: "a" },
          { op: "set", key: "b", value: "1", schemaRevision: 0, ttl: 100 },
        ];
        const first = await store.write(namespace, live, { idempotency: once, by: "a writer" });
        expect(first).toMatchObject({
          results: [{ change: null }, { change: { by: "a writer", created: expect.any(Number) } }],
        });
        for (const by of ["another", undefined]) {
          expect(await store.write(namespace, live, { idempotency: once, by })).toEqual(first);
        }
        expect(await store.recall(namespace, live, once)).toEqual(first);
        const [unnamed, other] = [{ id: "2", fingerprint: "f" }, [...live].reverse()];
        const second = await store.write(namespace, other, { idempotency: unnamed });
        expect(await store.write(namespace, other, { idempotency: unnamed, by: "another" })).toEqual(second);
      });

      it("is applied once if all its repeats arrive together", async () => {
        const repeats = Array.from({ length: 20 }, () => store.write(namespace, operations, { idempotency: once }));
        const [first, ...others] = await Promise.all(repeats);
        for (const other of others) expect(other).toEqual(first);
        expect((await store.readLog(namespace, "a", 0)).changes).toHaveLength(1);
      });

      it("is refused under the id of another write", async () => {
        await store.write(namespace, operations, { idempotency: once });
        const other = { ...once, fingerprint: "g" };
        const reused = { outcome: "id_reused" };
        expect(await store.write(namespace, [{ op: "delete", key: "a" }], { idempotency: other })).toEqual(reused);
        expect(await store.recall(namespace, operations, other)).toEqual(reused);
        expect(entryOf(await store.readEntry(namespace, "a"))).toMatchObject({ value: "1" });
      });

      it("is not remembered if nothing was applied, nor in another namespace", async () => {
        const unaware: Operation[] = [{ op: "set", key: "a", value: "1", schemaRevision: 7 }];
        expect(await store.write(namespace, unaware, { idempotency: once })).toMatchObject({
          outcome: "schema_changed",
        });
        expect(await store.recall(namespace, unaware, once)).toBeNull();
        expect(await store.write(namespace, operations, { idempotency: once })).toMatchObject({ outcome: "applied" });
        expect(await store.recall(`${namespace}x`, operations, once)).toBeNull();
      });
    });

    storeSequences(store, keepFromSweeping);
  });
}
