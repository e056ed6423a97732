// The `Store` on the embedded engine: finds a namespace's object, calls it, and puts changes together again.

import { ApiError } from "../errors.ts";
import {
  changeOf,
  type Entry,
  type LogSlice,
  type Operation,
  type SchemaChanged,
  type Store,
  type StoredSchema,
  type Version,
} from "./store.ts";

/** `WriteOutcome` without what the caller knows already, so that a value does not travel back. */
export type EmbeddedOutcome =
  | { readonly outcome: "applied"; readonly results: readonly (EmbeddedVersion | null)[] }
  | SchemaChanged;

export type EmbeddedVersion = Version & { readonly watched: boolean };

/** The object over RPC. Written out because the platform's types for stubs do not keep unions. */
export interface EmbeddedObject {
  write(operations: readonly Operation[]): Promise<EmbeddedOutcome>;
  readEntry(key: string): Promise<Entry | null>;
  readSchema(key: string): Promise<StoredSchema | null>;
  readLog(key: string, after: number): Promise<LogSlice>;
  watch(key: string, token: string): Promise<number>;
  unwatch(key: string, token: string): Promise<void>;
  ping(): Promise<void>;
}

export function createEmbeddedStore(objects: Env["EMBEDDED_STORE"]): Store {
  const call = async <T>(namespace: string, method: (object: EmbeddedObject) => Promise<T>): Promise<T> => {
    try {
      // The prefix keeps "no namespace" a name like any other.
      return await method(objects.getByName(`namespace:${namespace}`) as unknown as EmbeddedObject);
    } catch (cause) {
      throw new ApiError("store_unavailable", "The store did not answer. Try again.", {
        cause,
        headers: { "retry-after": "1" },
      });
    }
  };
  return {
    engine: "embedded",
    async write(namespace, operations) {
      const outcome = await call(namespace, (object) => object.write(operations));
      if (outcome.outcome !== "applied") return outcome;
      const results = operations.map((operation, index) => {
        const version = outcome.results[index];
        return version ? { change: changeOf(operation, version), watched: version.watched } : null;
      });
      return { outcome: "applied", results };
    },
    readEntry: (namespace, key) => call(namespace, (object) => object.readEntry(key)),
    readSchema: (namespace, key) => call(namespace, (object) => object.readSchema(key)),
    readLog: (namespace, key, after) => call(namespace, (object) => object.readLog(key, after)),
    watch: (namespace, key, token) => call(namespace, (object) => object.watch(key, token)),
    unwatch: (namespace, key, token) => call(namespace, (object) => object.unwatch(key, token)),
    ping: () => call("", (object) => object.ping()),
  };
}
