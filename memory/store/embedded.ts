// The `Store` on the embedded engine: finds a namespace's object, calls it, and completes the changes it returns.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import type { StoreTimeouts } from "../../config/store-settings.ts";
import type { Change } from "../../sdk/protocol.ts";
import { withDeadline } from "../deadline.ts";
import { storeFull, storeUnavailable } from "../errors.ts";
import {
  type AppliedVersions,
  appliedChanges,
  type EntriesPage,
  type Entry,
  type Idempotency,
  type IdReused,
  type KeysPage,
  type KeysQuery,
  type LogSlice,
  type ManyRead,
  type Operation,
  type Refused,
  type Store,
  type StoredSchema,
  type Watch,
} from "./store.ts";

/** `WriteOutcome` as the object sends it over RPC. */
export type EmbeddedOutcome = AppliedVersions | Refused;

/** The object over RPC. Spelled out because the platform's types for stubs do not preserve unions. */
export interface EmbeddedObject {
  write(operations: readonly Operation[], idempotency?: Idempotency, by?: string): Promise<EmbeddedOutcome>;
  recall(idempotency: Idempotency): Promise<AppliedVersions | IdReused | null>;
  readEntry(key: string): Promise<Entry | null>;
  readMany(keys: readonly string[]): Promise<ManyRead>;
  readSchema(key: string): Promise<StoredSchema | null>;
  readLog(key: string, after: number): Promise<LogSlice>;
  readHistory(key: string, before: number, limit: number): Promise<Change[]>;
  readEntries(after: string): Promise<EntriesPage>;
  readKeys(query: KeysQuery): Promise<KeysPage>;
  watch(key: string, token: string): Promise<Watch>;
  unwatch(key: string, token: string): Promise<void>;
  ping(): Promise<void>;
}

/** How long the store counts as full after it had no room for a write. Only a write can show whether it still is. */
const FULL_SHOWN_MS = 60_000;

export function createEmbeddedStore(objects: Env["EMBEDDED_STORE"], timeouts: StoreTimeouts): Store {
  const ids = new LRUCache<string, DurableObjectId>({ max: LIMITS.maxKnownNamespaces });
  let fullMs = Number.NEGATIVE_INFINITY;
  /** Caches ids: hashing the name costs as much as the rest of a call here. */
  const objectOf = (namespace: string): EmbeddedObject => {
    // The prefix gives the default namespace, which is empty, a name like any other.
    const id = ids.get(namespace) ?? objects.idFromName(`namespace:${namespace}`);
    ids.set(namespace, id);
    return objects.get(id) as unknown as EmbeddedObject;
  };
  const call = async <T>(namespace: string, method: (object: EmbeddedObject) => Promise<T>): Promise<T> => {
    try {
      return await method(objectOf(namespace));
    } catch (cause) {
      if (!isFull(cause)) throw storeUnavailable(cause);
      fullMs = Date.now();
      throw storeFull(cause);
    }
  };
  // Writes have no deadline here: `announce` sets it, because a late write must still be announced.
  const read = <T>(namespace: string, method: (object: EmbeddedObject) => Promise<T>) =>
    withDeadline(call(namespace, method), timeouts.responseMs);
  return {
    engine: "embedded",
    timeouts,
    async write(namespace, operations, { idempotency, by } = {}) {
      const outcome = await call(namespace, (object) => object.write(operations, idempotency, by));
      return outcome.outcome === "applied" ? appliedChanges(operations, outcome) : outcome;
    },
    async recall(namespace, operations, idempotency) {
      const outcome = await call(namespace, (object) => object.recall(idempotency));
      return outcome?.outcome === "applied" ? appliedChanges(operations, outcome) : outcome;
    },
    readEntry: (namespace, key) => read(namespace, (object) => object.readEntry(key)),
    readMany: (namespace, keys) => read(namespace, (object) => object.readMany(keys)),
    readSchema: (namespace, key) => read(namespace, (object) => object.readSchema(key)),
    readLog: (namespace, key, after) => read(namespace, (object) => object.readLog(key, after)),
    readHistory: (namespace, key, before, limit) => read(namespace, (object) => object.readHistory(key, before, limit)),
    readEntries: (namespace, after) => read(namespace, (object) => object.readEntries(after)),
    readKeys: (namespace, query) => read(namespace, (object) => object.readKeys(query)),
    watch: (namespace, key, token) => read(namespace, (object) => object.watch(key, token)),
    unwatch: (namespace, key, token) => read(namespace, (object) => object.unwatch(key, token)),
    // Each object wakes itself.
    expire: async () => {},
    async checkHealth() {
      await read("", (object) => object.ping());
      return { status: Date.now() - fullMs < FULL_SHOWN_MS ? "full" : "ok", evicts: false };
    },
  };
}

/** The disk is full, or the object has reached the platform's limit. The failed transaction was rolled back. */
function isFull(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("SQLITE_FULL");
}
