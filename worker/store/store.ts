// The store of record as the rest of memX sees it. Two engines fill it; expected outcomes are data, because errors
// lose their class across Durable Object RPC. A store that can not be reached throws `store_unavailable`.

import type { Change, JsonText } from "../../sdk/protocol.ts";

/** What a key holds. */
export type Entry = { readonly value: JsonText; readonly ts: number; readonly revision: number };

/** A key's schema and the revision that set it. */
export type StoredSchema = { readonly schema: JsonText; readonly revision: number };

/** One step of a write. */
export type Operation =
  | {
      readonly op: "set";
      readonly key: string;
      readonly value: JsonText;
      /** Revision of the schema that the value was checked against; 0 if there was none. */
      readonly schemaRevision: number;
    }
  | { readonly op: "delete"; readonly key: string }
  | { readonly op: "schema_set"; readonly key: string; readonly schema: JsonText }
  | { readonly op: "schema_delete"; readonly key: string };

/** What a write came to: every operation done, or none. */
export type WriteOutcome =
  | {
      readonly outcome: "applied";
      /** For each operation its change, or `null` where it had nothing to change. */
      readonly results: readonly (AppliedChange | null)[];
    }
  | SchemaChanged;

/** A change, and whether its key's channel wants to hear of it. */
export type AppliedChange = { readonly change: Change; readonly watched: boolean };

/** A value was checked against a schema that is not the key's any more; `schema` is the one to check it against. */
export type SchemaChanged = {
  readonly outcome: "schema_changed";
  readonly key: string;
  readonly schema: StoredSchema | null;
};

/** What an engine decides about an operation; the rest of its change is in the operation. `ts` as in `Change`. */
export type Version = { readonly revision: number; readonly previous: number; readonly ts: number };

/** The change that an operation makes. */
export function changeOf(operation: Operation, { revision, previous, ts }: Version): Change {
  const version = { key: operation.key, revision, previous, ts };
  switch (operation.op) {
    case "set":
      return { event: "value", action: "set", json: operation.value, ...version };
    case "delete":
      return { event: "value", action: "delete", json: null, ...version };
    case "schema_set":
      return { event: "schema", action: "set", json: operation.schema, ...version };
    case "schema_delete":
      return { event: "schema", action: "delete", json: null, ...version };
  }
}

/** A stretch of the change log, oldest first. */
export type LogSlice = {
  readonly changes: readonly Change[];
  /** More follow: ask again after the last one. */
  readonly more: boolean;
  /** The log no longer reaches back to where the caller stands; changes may be missing before these. */
  readonly truncated: boolean;
};

export interface Store {
  /** Which engine this is, for `/health`. */
  readonly engine: string;

  /** Applies all operations in one atomic step, or none. */
  write(namespace: string, operations: readonly Operation[]): Promise<WriteOutcome>;

  readEntry(namespace: string, key: string): Promise<Entry | null>;

  readSchema(namespace: string, key: string): Promise<StoredSchema | null>;

  /** The changes of `key` with a revision above `after` that the log still holds. */
  readLog(namespace: string, key: string, after: number): Promise<LogSlice>;

  /** From now on applied changes of `key` say `watched`. Answers the revision of its last change so far, 0 for none. */
  watch(namespace: string, key: string, token: string): Promise<number>;

  /** Ends that, unless another `watch` came after the one with this token, however late this call arrives. */
  unwatch(namespace: string, key: string, token: string): Promise<void>;

  /** Resolves if the store answers. */
  ping(): Promise<void>;
}
