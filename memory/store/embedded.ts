// The `Store` on the embedded engine: finds a namespace's object, calls it, and completes the changes it returns.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import type { StoreTimeouts } from "../../config/store-settings.ts";
import type { Change } from "../../sdk/protocol.ts";
import { withDeadline } from "../deadline.ts";
import { storeFull, storeNewer, storeUnavailable } from "../errors.ts";
import {
  type EmbeddedOutcome,
  type Packed,
  type PackedCallOutcome,
  unpack,
  unpackOutcome,
} from "./embedded-replies.ts";
import {
  ALL_KEYS,
  type Applied,
  type AppliedVersions,
  appliedChanges,
  type CallOutcome,
  type EntryRead,
  type History,
  type Idempotency,
  type IdReused,
  type KeysPage,
  type KeysQuery,
  type LogScan,
  type LogSlice,
  type ManyRead,
  type NamesPage,
  type Operation,
  type SchemaRead,
  type Store,
  type StoreCall,
  type StoredKey,
  type ValueGone,
  type Watch,
  type WriteOutcome,
} from "./store.ts";

/** The object over RPC. Spelled out because the platform's types for stubs do not preserve unions. */
export interface EmbeddedObject {
  write(operations: readonly Operation[], idempotency?: Idempotency, by?: string): Promise<Packed<EmbeddedOutcome>>;
  many(calls: readonly StoreCall[]): Promise<readonly PackedCallOutcome[]>;
  recall(idempotency: Idempotency, key: string): Promise<AppliedVersions | IdReused | ValueGone | null>;
  readEntry(key: string): Promise<Packed<EntryRead>>;
  readMany(keys: readonly string[]): Promise<ManyRead>;
  readSchema(key: string): Promise<SchemaRead>;
  readLog(key: string, after: number): Promise<LogSlice>;
  readHistory(key: string, before: number, limit: number): Promise<History>;
  scanLog(after: number): Promise<LogScan>;
  readChanges(revisions: readonly number[]): Promise<(Change | null)[]>;
  readNames(after: string): Promise<NamesPage>;
  readEntries(keys: readonly string[]): Promise<StoredKey[]>;
  readKeys(query: KeysQuery): Promise<KeysPage>;
  watch(key: string, token: string): Promise<Watch>;
  unwatch(key: string, token: string): Promise<void>;
  ping(): Promise<void>;
}

/** How an object's error begins if a newer memX has written its tables. An error over RPC keeps only its message. */
export const NEWER_TABLES = "A newer memX has written the tables of this namespace";

/** How long the store counts as full after it had no room for a write. Only a write can show whether it still is. */
const FULL_SHOWN_MS = 60_000;

export function createEmbeddedStore(objects: Env["EMBEDDED_STORE"], timeouts: StoreTimeouts): Store {
  const ids = new LRUCache<string, DurableObjectId>({ max: LIMITS.maxKnownNamespaces });
  let fullMs = Number.NEGATIVE_INFINITY;
  /** Caches ids: hashing the name costs as much as the rest of a call here. */
  const objectOf = (namespace: string): EmbeddedObject => {
    // The prefix gives the default namespace, which is empty, a name like any other.
    let id = ids.get(namespace);
    if (!id) {
      id = objects.idFromName(`namespace:${namespace}`);
      ids.set(namespace, id);
    }
    return objects.get(id) as unknown as EmbeddedObject;
  };
  const failure = (cause: unknown) => {
    if (cause instanceof Error && cause.message.includes(NEWER_TABLES)) return storeNewer(cause);
    if (!isFull(cause)) return storeUnavailable(cause);
    fullMs = Date.now();
    return storeFull(cause);
  };
  const call = async <T>(namespace: string, method: (object: EmbeddedObject) => Promise<T>): Promise<T> => {
    try {
      return await method(objectOf(namespace));
    } catch (cause) {
      throw failure(cause);
    }
  };
  // Writes have no deadline here: `announce` sets it, because a late write must still be announced.
  const read = <T>(namespace: string, method: (object: EmbeddedObject) => Promise<T>) =>
    withDeadline(call(namespace, method), timeouts.responseMs);
  return {
    engine: "embedded",
    timeouts,
    async write(namespace, operations, { idempotency, by } = {}) {
      return completed(
        operations,
        unpack(await call(namespace, (object) => object.write(operations, idempotency, by))),
      );
    },
    async many(namespace, calls) {
      const outcomes = await call(namespace, (object) => object.many(calls));
      return outcomes.map((packed, index): CallOutcome => {
        const outcome = unpackOutcome(packed);
        if (outcome.outcome === "failed") return { outcome: "failed", error: failure(new Error(outcome.message)) };
        const sent = calls[index];
        if (outcome.outcome === "deferred" || sent?.call !== "write") return outcome as CallOutcome;
        return { outcome: "done", reply: completed(sent.operations, outcome.reply as EmbeddedOutcome) };
      });
    },
    async recall(namespace, operations, idempotency) {
      const outcome = await call(namespace, (object) => object.recall(idempotency, operations[0]?.key ?? ALL_KEYS));
      return outcome?.outcome === "applied" ? (completed(operations, outcome) as Applied) : outcome;
    },
    readEntry: async (namespace, key) => unpack(await read(namespace, (object) => object.readEntry(key))),
    readMany: (namespace, keys) => read(namespace, (object) => object.readMany(keys)),
    readSchema: (namespace, key) => read(namespace, (object) => object.readSchema(key)),
    readLog: (namespace, key, after) => read(namespace, (object) => object.readLog(key, after)),
    readHistory: (namespace, key, before, limit) => read(namespace, (object) => object.readHistory(key, before, limit)),
    scanLog: (namespace, after) => read(namespace, (object) => object.scanLog(after)),
    readChanges: (namespace, revisions) => read(namespace, (object) => object.readChanges(revisions)),
    readNames: (namespace, after) => read(namespace, (object) => object.readNames(after)),
    readEntries: (namespace, keys) => read(namespace, (object) => object.readEntries(keys)),
    readKeys: (namespace, query) => read(namespace, (object) => object.readKeys(query)),
    watch: (namespace, key, token) => read(namespace, (object) => object.watch(key, token)),
    unwatch: (namespace, key, token) => read(namespace, (object) => object.unwatch(key, token)),
    // Each object wakes itself.
    expire: async () => {},
    async checkHealth() {
      await read("", (object) => object.ping());
      return { status: Math.abs(Date.now() - fullMs) < FULL_SHOWN_MS ? "full" : "ok", evicts: false };
    },
  };
}

function completed(operations: readonly Operation[], outcome: EmbeddedOutcome): WriteOutcome {
  return outcome.outcome === "applied" ? appliedChanges(operations, { ...outcome, gaplessSince: 0 }) : outcome;
}

/** The disk is full, or the object has reached the platform's limit. The failed transaction was rolled back. */
function isFull(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("SQLITE_FULL");
}
