// The contract of every `Store` about what it keeps besides values and schemas: the log, idempotency records and
// tombstones. All are bounded, count against a quota, and give way to values. Each test has a fresh namespace.

import { beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import { ALL_KEYS, type Operation, type Quota, type Store } from "../../memory/store/store.ts";
import { readStored } from "../support/stored-keys.ts";
import { comparable } from "./comparable.ts";

export type Kept = {
  /** Bytes that the engine needs for the whole namespace. */
  readonly bytes: number;
  readonly changes: number;
  readonly records: number;
  readonly tombstones: number;
};

const MIB = 1024 * 1024;
const UNLIMITED: Quota = { keys: undefined, bytes: undefined };

/** @param measure what the engine keeps of a namespace, as far as it counts */
export function boundsContract(
  name: string,
  openStore: (quota: Quota) => Store,
  measure: (namespace: string) => Promise<Kept>,
): void {
  describe(`${name} keeps a bounded amount besides values`, () => {
    const open = (quota: Quota) => comparable(openStore(quota));
    let namespace: string;
    beforeEach(() => {
      namespace = crypto.randomUUID();
    });
    const set = (key: string, value: string): Operation => ({ op: "set", key, value, schemaRevision: 0 });
    const text = (n: number, length: number) => `"${String(n).padEnd(length, "x")}"`;
    const once = (n: number, needsText = false) => ({ id: `id-${n}`.padEnd(64, "."), fingerprint: "f", needsText });
    const revisionOf = async (outcome: ReturnType<Store["write"]>) => {
      const applied = await outcome;
      if (applied.outcome !== "applied") throw new Error(applied.outcome);
      return applied.results[0]?.change?.revision ?? 0;
    };

    it("however large the value is that small patches change, each with an Idempotency-Key", async () => {
      const store = open(UNLIMITED);
      const large = 256 * 1024 - 2;
      for (let n = 0; n < 100; n++) {
        await store.write(namespace, [set("a", text(n, large))], { idempotency: once(n, true) });
      }
      const { bytes, changes, records } = await measure(namespace);
      // Redis rounds the size of each value up. Two copies of each would be 50 MiB.
      expect(bytes).toBeLessThan(24 * MIB);
      expect(changes).toBe(Math.floor(LIMITS.maxLogBytes / (large + 2 + 1 + LIMITS.rowBytes)));
      expect(records).toBe(100);
      // A subscriber that is too far behind gets a snapshot.
      const { head } = await store.watch(namespace, ALL_KEYS, "token");
      expect((await store.readLog(namespace, ALL_KEYS, head - changes - 1)).truncated).toBe(true);
      expect(await store.readLog(namespace, ALL_KEYS, head - 2)).toMatchObject({ truncated: false, head });
    });

    it("and a repeat still gets the text that the first write wrote, or learns that the text is gone", async () => {
      const store = open({ keys: undefined, bytes: 3_000 });
      const write = (operation: Operation, n?: number) =>
        store.write(namespace, [operation], n === undefined ? {} : { idempotency: once(n, true) });
      const repeat = () => write(set("a", ""), 1);
      const first = await write(set("a", text(1, 100)), 1);
      expect(first).toMatchObject({ outcome: "applied", results: [{ change: { json: text(1, 100) } }] });
      expect(await repeat()).toEqual(first);
      // Now only the log has it.
      await write(set("a", "2"));
      expect(await repeat()).toEqual(first);
      expect(await store.recall(namespace, [set("a", "")], once(1, true))).toEqual(first);
      // Now neither has it.
      await write(set("b", text(3, 2_900)));
      const gone = { outcome: "value_gone", revision: await revisionOf(Promise.resolve(first)) };
      expect(await repeat()).toEqual(gone);
      expect(await store.recall(namespace, [set("a", "")], once(1, true))).toEqual(gone);
      // Only the key has it.
      const second = await write(set("c", "[1]"), 4);
      await write(set("b", text(5, 2_900)));
      expect(await write(set("c", ""), 4)).toEqual(second);
      // A write that needs no text never misses one.
      const plain = { idempotency: once(6) };
      const third = await store.write(namespace, [set("d", "1")], plain);
      await write({ op: "delete", key: "d" });
      await write(set("b", text(7, 2_900)));
      expect(await store.write(namespace, [set("d", "1")], plain)).toEqual(third);
    });

    it("the log counts against the quota, and leaves its oldest changes to values", async () => {
      const store = open({ keys: undefined, bytes: MIB });
      for (let n = 0; n < 60; n++)
        expect(await revisionOf(store.write(namespace, [set("a", text(n, 100_000))]))).toBeGreaterThan(0);
      const roomy = await measure(namespace);
      expect(roomy.changes).toBe(4);
      expect(roomy.bytes).toBeLessThan(1.2 * MIB);
      // The last 48,576 bytes of the quota are not for the log alone.
      for (const key of ["b", "c", "d", "e", "f", "g", "h", "i", "j"]) {
        expect(await store.write(namespace, [set(key, text(0, 100_000))])).toMatchObject({ outcome: "applied" });
      }
      expect((await measure(namespace)).changes).toBe(1);
      expect((await measure(namespace)).bytes).toBeLessThan(1.5 * MIB);
      expect(await store.write(namespace, [set("k", text(0, 100_000))])).toEqual({
        outcome: "quota_exceeded",
        of: "bytes",
      });
    });

    it("a full namespace still takes deletes, repeated ones too, and reads", async () => {
      const store = open({ keys: 200, bytes: 10_000 });
      const keys = Array.from({ length: 200 }, (_, n) => `key-${n}`);
      for (let n = 0; n < 200; n += 100) {
        await store.write(
          namespace,
          keys.slice(n, n + 100).map((key) => set(key, text(0, 48))),
        );
      }
      expect(await store.write(namespace, [set("more", "1")])).toMatchObject({ outcome: "quota_exceeded" });
      const { head } = await store.watch(namespace, ALL_KEYS, "token");
      for (const [n, key] of keys.entries()) {
        const remove = () => store.write(namespace, [{ op: "delete", key }], { idempotency: once(n) });
        const first = await remove();
        expect(first).toMatchObject({ results: [{ change: { revision: head + n + 1 } }] });
        expect(await remove()).toEqual(first);
        expect(entryOf(await store.readEntry(namespace, keys[n + 1] ?? "more"))).toEqual(
          n < 199 ? expect.anything() : null,
        );
      }
      expect((await store.readLog(namespace, ALL_KEYS, head)).head).toBe(head + 200);
      expect(await readStored(store, namespace)).toEqual([]);
    });

    it("idempotency records count against the quota, and the oldest leave first", async () => {
      const store = open({ keys: undefined, bytes: 1_000 });
      await store.write(namespace, [set("a", text(0, 990))]);
      const revisions: number[] = [];
      const remove = (n: number) => revisionOf(store.write(namespace, [set("a", String(n))], { idempotency: once(n) }));
      for (let n = 0; n < 400; n++) revisions.push(await remove(n));
      const { records } = await measure(namespace);
      expect(records).toBeGreaterThan(100);
      expect(records).toBeLessThan(LIMITS.minIdempotencyBytes / LIMITS.rowBytes);
      expect(records).toBeLessThan(350);
      // The newest ones are there.
      const before = revisions.length;
      for (const n of [399, 398, 400 - records]) expect(await remove(n), String(n)).toBe(revisions[n]);
      expect(await remove(399 - records)).toBeGreaterThan(revisions[before - 1] as number);
    });

    it("tombstones count against the quota, and the oldest leave first", async () => {
      const store = open({ keys: 300, bytes: undefined });
      const keys = Array.from({ length: 500 }, (_, n) => `key-${n}`);
      for (let n = 0; n < 500; n += 50) {
        const some = keys.slice(n, n + 50);
        await store.write(
          namespace,
          some.map((key) => set(key, "1")),
        );
        await store.write(
          namespace,
          some.map((key) => ({ op: "delete", key })),
        );
      }
      const { tombstones } = await measure(namespace);
      expect(tombstones).toBeLessThanOrEqual(305);
      expect(tombstones).toBeGreaterThan(200);
      const { head } = await store.watch(namespace, ALL_KEYS, "token");
      const previous = async (key: string) => {
        const outcome = await store.write(namespace, [set(key, "2")]);
        return outcome.outcome === "applied" && outcome.results[0]?.change?.previous;
      };
      expect(await previous("key-499")).toBe(head);
      expect(await previous("key-0")).toBe(0);
      // 299 keys leave no room, and memX still remembers the last ones that were deleted.
      for (let n = 0; n < 297; n += 99) {
        await store.write(
          namespace,
          Array.from({ length: 99 }, (_, m) => set(`more-${n + m}`, "1")),
        );
      }
      await store.write(namespace, [{ op: "delete", key: "key-499" }]);
      expect((await measure(namespace)).tombstones).toBeLessThanOrEqual(LIMITS.minTombstones);
      expect(await previous("key-499")).toBeGreaterThan(head);
    });

    it("no more than so many tombstones without a quota", async () => {
      const store = open(UNLIMITED);
      for (let n = 0; n < LIMITS.maxTombstones + 2_000; n += 50) {
        const some = Array.from({ length: 50 }, (_, m) => `key-${n + m}`);
        const outcome = await store.write(namespace, [
          ...some.map((key) => set(key, "1")),
          ...some.map((key) => ({ op: "delete", key }) as const),
        ]);
        expect(outcome.outcome).toBe("applied");
      }
      const { tombstones } = await measure(namespace);
      expect(tombstones).toBeLessThan(1.03 * LIMITS.maxTombstones);
      expect(tombstones).toBeGreaterThan(0.97 * LIMITS.maxTombstones);
    });

    it("and says that changes are missing if it may have forgotten the key's last one", async () => {
      const store = open({ keys: 1, bytes: 1_000 });
      await store.write(namespace, [set("a", "1")]);
      const { head: seen } = await store.watch(namespace, ALL_KEYS, "token");
      await store.write(namespace, [{ op: "delete", key: "a" }]);
      for (let n = 0; n < 120; n++) {
        await store.write(namespace, [set(`b-${n}`, text(n, 900))]);
        await store.write(namespace, [{ op: "delete", key: `b-${n}` }]);
      }
      expect((await measure(namespace)).tombstones).toBeLessThanOrEqual(LIMITS.minTombstones);
      // The delete of `a` is in neither the log nor the entries.
      expect(await store.readLog(namespace, "a", seen)).toMatchObject({ changes: [], truncated: true });
      await store.write(namespace, [set("a", "2")]);
      expect(await store.readLog(namespace, "a", seen)).toMatchObject({ changes: [{ previous: 0 }], truncated: true });
      expect(await store.write(namespace, [{ ...set("a", "3"), expect: 0 } as Operation])).toMatchObject({
        outcome: "conflict",
      });
    });
  });
}
