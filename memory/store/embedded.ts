// The `Store` on the embedded engine: finds a namespace's object, calls it, and puts changes together again.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import type { Change } from "../../sdk/protocol.ts";
import { withDeadline } from "../deadline.ts";
import { storeUnavailable } from "../errors.ts";
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
  type Operation,
  type Refused,
  type Store,
  type StoredSchema,
  type Watch,
} from "./store.ts";

/** `WriteOutcome` on its way from the object. */
export type EmbeddedOutcome = AppliedVersions | Refused;

/** The object over RPC. Written out because the platform's types for stubs do not keep unions. */
export interface EmbeddedObject {
  write(operations: readonly Operation[], idempotency?: Idempotency): Promise<EmbeddedOutcome>;
  recall(idempotency: Idempotency): Promise<AppliedVersions | IdReused | null>;
  readEntry(key: string): Promise<Entry | null>;
  readSchema(key: string): Promise<StoredSchema | null>;
  readLog(key: string, after: number): Promise<LogSlice>;
  readHistory(key: string, before: number, limit: number): Promise<Change[]>;
  readEntries(after: string): Promise<EntriesPage>;
  readKeys(query: KeysQuery): Promise<KeysPage>;
  watch(key: string, token: string): Promise<Watch>;
  unwatch(key: string, token: string): Promise<void>;
  ping(): Promise<void>;
}

export function createEmbeddedStore(objects: Env["EMBEDDED_STORE"]): Store {
  const ids = new LRUCache<string, DurableObjectId>({ max: LIMITS.maxKnownNamespaces });
  /** Its id is the hash of its name, and is kept, because that costs as much as the rest of a call here. */
  const objectOf = (namespace: string): EmbeddedObject => {
    // The prefix keeps "no namespace" a name like any other.
    const id = ids.get(namespace) ?? objects.idFromName(`namespace:${namespace}`);
    ids.set(namespace, id);
    return objects.get(id) as unknown as EmbeddedObject;
  };
  const call = async <T>(namespace: string, method: (object: EmbeddedObject) => Promise<T>): Promise<T> => {
    try {
      return await method(objectOf(namespace));
    } catch (cause) {
      throw storeUnavailable(cause);
    }
  };
  // A write is given its time by who announces it, for it is to be announced also when it is late.
  const read = <T>(namespace: string, method: (object: EmbeddedObject) => Promise<T>) =>
    withDeadline(call(namespace, method));
  return {
    engine: "embedded",
    async write(namespace, operations, idempotency) {
      const outcome = await call(namespace, (object) => object.write(operations, idempotency));
      return outcome.outcome === "applied" ? appliedChanges(operations, outcome) : outcome;
    },
    async recall(namespace, operations, idempotency) {
      const outcome = await call(namespace, (object) => object.recall(idempotency));
      return outcome?.outcome === "applied" ? appliedChanges(operations, outcome) : outcome;
    },
    readEntry: (namespace, key) => read(namespace, (object) => object.readEntry(key)),
    readSchema: (namespace, key) => read(namespace, (object) => object.readSchema(key)),
    readLog: (namespace, key, after) => read(namespace, (object) => object.readLog(key, after)),
    readHistory: (namespace, key, before, limit) => read(namespace, (object) => object.readHistory(key, before, limit)),
    readEntries: (namespace, after) => read(namespace, (object) => object.readEntries(after)),
    readKeys: (namespace, query) => read(namespace, (object) => object.readKeys(query)),
    watch: (namespace, key, token) => read(namespace, (object) => object.watch(key, token)),
    unwatch: (namespace, key, token) => read(namespace, (object) => object.unwatch(key, token)),
    // Each object wakes itself up.
    expire: async () => {},
    ping: () => read("", (object) => object.ping()),
  };
}
