// The contract of `many`, for every engine: independent calls in one request, each with its own outcome.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import type {
  Applied,
  CallOutcome,
  EntryRead,
  Operation,
  SchemaRead,
  Store,
  StoreCall,
  WriteOptions,
} from "../../memory/store/store.ts";

const write = (operation: Operation, options: WriteOptions = {}): StoreCall => ({
  call: "write",
  operations: [operation],
  options,
});
const set = (key: string, value: string, expected?: number) =>
  write({ op: "set", key, value, schemaRevision: 0, ...(expected !== undefined && { expect: expected }) });
const read = (key: string): StoreCall => ({ call: "readEntry", key });

const replyOf = (outcome: CallOutcome | undefined) => {
  if (outcome?.outcome !== "done") throw new Error(outcome?.outcome);
  return outcome.reply;
};

const appliedOf = (outcome: CallOutcome | undefined) => (replyOf(outcome) as Applied).results[0];
const revisionOf = (outcome: CallOutcome | undefined) => appliedOf(outcome)?.change?.revision ?? 0;

export function manyContract(name: string, openStore: () => Store): void {
  describe(`${name}: many`, () => {
    const store = openStore();

    it("gives each call its own outcome, whatever the others come to", async () => {
      const namespace = crypto.randomUUID();
      await store.write(namespace, [
        { op: "set", key: "there", value: "1.0", schemaRevision: 0 },
        { op: "schema_set", key: "strict", schema: '{"type":"number"}' },
      ]);
      const outcomes = await store.many(namespace, [
        set("new", "[1]"),
        read("there"),
        set("taken", "2", 5),
        set("strict", "3"),
        write({ op: "delete", key: "never" }),
        { call: "readSchema", key: "strict" },
        read("never"),
        set("also", '"😀"'),
      ]);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array.from(outcomes, () => "done"));
      const [added, there, taken, strict, never, schema, nothing, also] = outcomes.map(replyOf);
      const applied = (key: string, json: string) => ({
        outcome: "applied",
        results: [{ change: expect.objectContaining({ key, json, action: "set" }), watched: false }],
      });
      expect(added).toMatchObject(applied("new", "[1]"));
      expect(also).toMatchObject(applied("also", '"😀"'));
      const head = expect.any(Number);
      expect(entryOf(there as EntryRead)).toMatchObject({ value: "1.0" });
      expect(taken).toEqual({ outcome: "conflict", operation: 0, current: null, head });
      expect(strict).toMatchObject({
        outcome: "schema_changed",
        schemas: [{ key: "strict", schema: (schema as SchemaRead).schema }],
      });
      expect(schema).toMatchObject({ schema: { schema: '{"type":"number"}' } });
      expect(never).toMatchObject({ outcome: "applied", results: [{ change: null, revision: 0 }] });
      expect(nothing).toEqual({ text: "null", valueLength: 0, revision: 0, head });
      expect(entryOf(await store.readEntry(namespace, "new"))).toMatchObject({ value: "[1]" });
      expect(entryOf(await store.readEntry(namespace, "taken"))).toBeNull();
    });

    it("counts its writes without a gap, keeps their writers, and says what is watched", async () => {
      const namespace = crypto.randomUUID();
      const { head } = await store.watch(namespace, "b", "owner.1");
      const operations = (key: string): Operation => ({ op: "set", key, value: "1", schemaRevision: 0, ttl: 60 });
      const outcomes = await store.many(namespace, [
        write(operations("a"), { by: "one" }),
        write(operations("b"), { by: "two" }),
      ]);
      const revisions = outcomes.map(revisionOf);
      expect(revisions.toSorted((a, b) => a - b)).toEqual([head + 1, head + 2]);
      expect(outcomes.map(appliedOf)).toMatchObject([
        { change: { key: "a", by: "one" }, ttl: 60, watched: false },
        { change: { key: "b", by: "two" }, ttl: 60, watched: true },
      ]);
    });

    it("repeats what an earlier call did under the same idempotency key", async () => {
      const namespace = crypto.randomUUID();
      const once = () =>
        write({ op: "set", key: "a", value: "1", schemaRevision: 0 }, { idempotency: { id: "i", fingerprint: "f" } });
      const [first] = await store.many(namespace, [once()]);
      const [repeat, other] = await store.many(namespace, [once(), set("b", "1")]);
      expect(revisionOf(first)).toBeGreaterThan(0);
      expect(revisionOf(repeat)).toBe(revisionOf(first));
      expect(revisionOf(other)).toBe(revisionOf(first) + 1);
    });

    it("reads as much as fits into one response, and says which reads it did not make", async () => {
      const namespace = crypto.randomUUID();
      const large = `"${"x".repeat(LIMITS.maxValueBytes - 2)}"`;
      const keys = Array.from({ length: 24 }, (_, n) => `large:${n}`);
      for (const key of keys) await store.write(namespace, [{ op: "set", key, value: large, schemaRevision: 0 }]);
      let left = keys;
      let requests = 0;
      while (left.length > 0) {
        const outcomes = await store.many(namespace, left.map(read));
        const done = outcomes.filter(({ outcome }) => outcome === "done");
        expect(done.length).toBeGreaterThan(0);
        expect(done.length).toBeLessThanOrEqual(LIMITS.maxReadBytes / LIMITS.maxValueBytes + 1);
        for (const outcome of done) expect(entryOf(replyOf(outcome) as EntryRead)).toMatchObject({ value: large });
        left = left.filter((_, index) => outcomes[index]?.outcome === "deferred");
        requests++;
      }
      expect(requests).toBeGreaterThan(1);
    });

    it("makes a hundred writes together", async () => {
      const namespace = crypto.randomUUID();
      const keys = Array.from({ length: 100 }, (_, n) => `k:${n}`);
      const outcomes = await store.many(
        namespace,
        keys.map((key) => set(key, "1")),
      );
      const revisions = outcomes.map(revisionOf);
      expect(new Set(revisions).size).toBe(100);
      expect(Math.max(...revisions) - Math.min(...revisions)).toBe(99);
    });
  });
}
