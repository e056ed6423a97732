// The store of record as the rest of memX sees it. Two engines fill it; expected outcomes are data, because errors
// lose their class across Durable Object RPC. A store that can not be reached throws `store_unavailable`.

import type { Change, JsonText } from "../../sdk/protocol.ts";
import { ApiError } from "../errors.ts";

/** What a key holds. */
export type Entry = { readonly value: JsonText; readonly ts: number; readonly revision: number };

/** A key's schema, and when and by which revision it was set. */
export type StoredSchema = { readonly schema: JsonText; readonly ts: number; readonly revision: number };

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

/**
 * Lets a write be sent again when its answer was lost. The `id` names it within the namespace; the `fingerprint` is of
 * the whole request, and tells a repeat from another write under the same id.
 */
export type Idempotency = { readonly id: string; readonly fingerprint: string };

/** What a write came to: every operation done, or none. */
export type WriteOutcome = Applied | SchemaChanged | IdReused;

export type Applied = {
  readonly outcome: "applied";
  /** For each operation its change, or `null` where it had nothing to change. */
  readonly results: readonly (AppliedChange | null)[];
};

/** The write's idempotency id belongs to an earlier one with another fingerprint. */
export type IdReused = { readonly outcome: "id_reused" };

/** A change, and who wants to hear of it. */
export type AppliedChange = { readonly change: Change } & Watched;

/** Whether the channel of a change's key wants to hear of it, and whether that of its namespace does. */
export type Watched = { readonly watched: boolean; readonly namespaceWatched: boolean };

/** In place of a key, where all keys of a namespace are meant. No key is empty. */
export const ALL_KEYS = "";

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

/** `Applied` as engines keep and send it: without what the caller knows already, so that no value travels back. */
export type AppliedVersions = {
  readonly outcome: "applied";
  readonly results: readonly (AppliedVersion | null)[];
};

export type AppliedVersion = Version & Watched;

/** The changes that operations came to. */
export function appliedChanges(operations: readonly Operation[], { results }: AppliedVersions): Applied {
  return {
    outcome: "applied",
    results: operations.map((operation, index) => {
      const version = results[index];
      if (!version) return null;
      const { watched, namespaceWatched } = version;
      return { change: changeOf(operation, version), watched, namespaceWatched };
    }),
  };
}

/** A stretch of the change log, oldest first. */
export type LogSlice = {
  readonly changes: readonly Change[];
  /** More follow: ask again after the last one. */
  readonly more: boolean;
  /** The log no longer has all that was asked for: changes are missing before these. */
  readonly truncated: boolean;
  /** Revision of the namespace's last change. */
  readonly head: number;
};

/** Some of the keys that hold a value or have a schema, in the order of their bytes. */
export type EntriesPage = {
  readonly entries: readonly {
    readonly key: string;
    readonly entry: Entry | null;
    readonly schema: StoredSchema | null;
  }[];
  /** More follow: ask again after the last one. */
  readonly more: boolean;
};

export interface Store {
  /** Which engine this is, for `/health`. */
  readonly engine: string;

  /**
   * Applies all operations in one atomic step, or none. Within `idempotencySeconds` a repeat of an applied write
   * changes nothing and comes to what the first one came to, whatever has happened since.
   */
  write(namespace: string, operations: readonly Operation[], idempotency?: Idempotency): Promise<WriteOutcome>;

  /** What an earlier write of these operations came to, if one was applied; `null` if none was. */
  recall(
    namespace: string,
    operations: readonly Operation[],
    idempotency: Idempotency,
  ): Promise<Applied | IdReused | null>;

  readEntry(namespace: string, key: string): Promise<Entry | null>;

  readSchema(namespace: string, key: string): Promise<StoredSchema | null>;

  /** The changes of `key`, or of `ALL_KEYS`, with a revision above `after` that the log still holds. */
  readLog(namespace: string, key: string, after: number): Promise<LogSlice>;

  /** The last changes of `key` with a revision below `before`, newest first: `limit` at most, fewer if they are large. */
  readHistory(namespace: string, key: string, before: number, limit: number): Promise<readonly Change[]>;

  /** The keys after `after`, none for the first page. */
  readEntries(namespace: string, after: string): Promise<EntriesPage>;

  /**
   * From now on applied changes of `key`, or of `ALL_KEYS`, say that they are watched. Answers the revision of the
   * namespace's last change so far.
   */
  watch(namespace: string, key: string, token: string): Promise<number>;

  /** Ends that, unless another `watch` came after the one with this token, however late this call arrives. */
  unwatch(namespace: string, key: string, token: string): Promise<void>;

  /** Resolves if the store answers. */
  ping(): Promise<void>;
}

/** What every engine throws when it gets no answer. */
export function storeUnavailable(cause: unknown): ApiError {
  return new ApiError("store_unavailable", "The store did not answer. Try again.", {
    cause,
    headers: { "retry-after": "1" },
  });
}
