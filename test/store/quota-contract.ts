// The contract of every `Store` with a quota. It takes the store as an argument, and each test has a fresh namespace.

import { beforeEach, describe, expect, it } from "vitest";
import { entryOf } from "../../memory/store/entry-read.ts";
import type { Operation, Quota, Store } from "../../memory/store/store.ts";
import fc from "../support/properties.ts";
import { readStored } from "../support/stored-keys.ts";

type Usage = { readonly keys: number; readonly bytes: number };

/** @param counted the engine's own count */
export function quotaContract(
  name: string,
  openStore: (quota: Quota) => Store,
  counted: (namespace: string) => Promise<Usage>,
): void {
  describe(`${name} with a quota`, () => {
    let namespace: string;
    beforeEach(() => {
      namespace = crypto.randomUUID();
    });
    const set = (key: string, value: string, ttl?: number): Operation => ({
      op: "set",
      key,
      value,
      schemaRevision: 0,
      ttl,
    });

    it("accepts new keys up to the limit, and then only writes to existing keys", async () => {
      const store = openStore({ keys: 3, bytes: undefined });
      const write = (...operations: Operation[]) => store.write(namespace, operations);
      const full = { outcome: "quota_exceeded", of: "keys" };
      expect(await write(set("a", "1"), set("b", "1"))).toMatchObject({ outcome: "applied" });
      expect(await write(set("c", "1"), set("d", "1"))).toEqual(full);
      expect(await write({ op: "schema_set", key: "c", schema: "true" })).toMatchObject({ outcome: "applied" });
      expect(await write({ op: "schema_set", key: "d", schema: "true" })).toEqual(full);
      expect(await write(set("d", "1"))).toEqual(full);
      expect(entryOf(await store.readEntry(namespace, "d"))).toBeNull();
      expect(await write(set("a", "2"))).toMatchObject({ outcome: "applied" });
      expect(await write({ op: "delete", key: "a" }, set("d", "1"))).toMatchObject({ outcome: "applied" });
      // One of the keys expires.
      await write(set("b", "1", 0.001));
      await scheduler.wait(5);
      await store.readHistory(namespace, "b", Number.MAX_SAFE_INTEGER, 1);
      expect(await write(set("e", "1"))).toMatchObject({ outcome: "applied" });
    });

    it("accepts values and schemas up to the limit of bytes, and beyond the limit only writes that free bytes", async () => {
      const store = openStore({ keys: undefined, bytes: 10 });
      const write = (...operations: Operation[]) => store.write(namespace, operations);
      const full = { outcome: "quota_exceeded", of: "bytes" };
      // Each ä is two bytes.
      expect(await write(set("a", "ää"), set("b", "1234"))).toMatchObject({ outcome: "applied" });
      expect(await write(set("c", "123"))).toEqual(full);
      expect(await write({ op: "schema_set", key: "c", schema: "tru" })).toEqual(full);
      expect(await write(set("a", "äää"))).toMatchObject({ outcome: "applied" });
      expect(await write(set("a", "1234567"))).toEqual(full);
      const smaller = openStore({ keys: undefined, bytes: 5 });
      expect(await smaller.write(namespace, [set("b", "12")])).toMatchObject({ outcome: "applied" });
      expect(await smaller.write(namespace, [set("b", "123")])).toEqual(full);
    });

    it("counts existing values and schemas when the quota comes into force", async () => {
      const unlimited = openStore({ keys: undefined, bytes: undefined });
      await unlimited.write(namespace, [set("a", "12345"), { op: "schema_set", key: "b", schema: "true" }]);
      const store = openStore({ keys: 2, bytes: 12 });
      expect(await store.write(namespace, [set("c", "1")])).toEqual({ outcome: "quota_exceeded", of: "keys" });
      expect(await store.write(namespace, [set("a", "123456789")])).toEqual({ outcome: "quota_exceeded", of: "bytes" });
      expect(await store.write(namespace, [set("a", "12345678")])).toMatchObject({ outcome: "applied" });
    });

    it("counts keys and bytes correctly, whatever is set, replaced, deleted or expires", async () => {
      const store = openStore({ keys: 1_000_000, bytes: 1_000_000_000 });
      const key = fc.constantFrom("a", "b", "c", "d");
      const operation = fc.oneof(
        fc.record({
          op: fc.constant("set" as const),
          key,
          value: fc.string({ unit: "grapheme", maxLength: 12 }),
          ts: fc.constantFrom(undefined, undefined, 1),
          ttl: fc.constantFrom(undefined, 0.001, 1_000),
        }),
        fc.record({ op: fc.constantFrom("delete" as const, "schema_delete" as const), key }),
        fc.record({ op: fc.constant("schema_set" as const), key, schema: fc.constantFrom("true", "false", "{}") }),
      );
      const write = async (operations: readonly Operation[]) => {
        const outcome = await store.write(namespace, operations);
        if (outcome.outcome !== "schema_changed") return;
        const revisions = new Map(outcome.schemas.map((stale) => [stale.key, stale.schema?.revision ?? 0]));
        await store.write(
          namespace,
          operations.map((operation) =>
            operation.op === "set" ? { ...operation, schemaRevision: revisions.get(operation.key) ?? 0 } : operation,
          ),
        );
      };
      const batches = fc.array(fc.array(operation, { minLength: 1, maxLength: 4 }), { minLength: 5, maxLength: 15 });
      await fc.assert(
        fc.asyncProperty(batches, async (batches) => {
          for (const batch of batches)
            await write(batch.map((asked) => ({ ...asked, schemaRevision: 0 }) as Operation));
          await scheduler.wait(3);
          for (const key of ["a", "b", "c", "d"]) await store.readHistory(namespace, key, Number.MAX_SAFE_INTEGER, 1);
          const entries = await readStored(store, namespace);
          const bytes = entries.reduce(
            (sum, { entry, schema }) =>
              sum + new TextEncoder().encode((entry?.value ?? "") + (schema?.schema ?? "")).length,
            0,
          );
          expect(await counted(namespace)).toEqual({ keys: entries.length, bytes });
        }),
        { numRuns: 40 },
      );
    });
  });
}
