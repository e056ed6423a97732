// The store of record as the rest of memX sees it. Two engines fill it; expected outcomes are data, because errors
// lose their class across Durable Object RPC. A store that can not be reached throws `store_unavailable`.

import type { Change, CurrentText, JsonText } from "../../sdk/protocol.ts";

/** What a key holds. */
export type Entry = { readonly value: JsonText; readonly ts: number; readonly revision: number };

/** A key's schema, and when and by which revision it was set. */
export type StoredSchema = { readonly schema: JsonText; readonly ts: number; readonly revision: number };

/** One step of a write. */
export type Operation =
  | ({
      readonly op: "set";
      readonly key: string;
      readonly value: JsonText;
      /** Revision of the schema that the value was checked against; 0 if there was none. */
      readonly schemaRevision: number;
      /** The caller's own time, in seconds since the epoch. It wins only over earlier ones. */
      readonly ts?: number | undefined;
      /** Seconds after which the value is gone, or `keep` for what is left of the present one. Without it, it stays. */
      readonly ttl?: number | "keep" | undefined;
    } & Expecting)
  | ({ readonly op: "delete"; readonly key: string } & Expecting)
  | ({ readonly op: "check"; readonly key: string } & Expecting)
  | ({ readonly op: "schema_set"; readonly key: string; readonly schema: JsonText } & Expecting)
  | ({ readonly op: "schema_delete"; readonly key: string } & Expecting);

/** The revision of what the key holds, 0 for nothing: of its value, or where the operation is about the schema, of that. */
type Expecting = { readonly expect?: number | undefined };

/**
 * Lets a write be sent again when its answer was lost. The `id` names it within the namespace; the `fingerprint` is of
 * the whole request, and tells a repeat from another write under the same id.
 */
export type Idempotency = {
  readonly id: string;
  readonly fingerprint: string;
  /** A repeat is told the text of the first operation as it was first, which its caller can not know. */
  readonly keepsText?: boolean;
};

/** What a write came to: every operation done, or none. */
export type WriteOutcome = Applied | Refused;

export type Applied = {
  readonly outcome: "applied";
  /** One for each operation. */
  readonly results: readonly OperationResult[];
};

export type OperationResult = AppliedChange | Unchanged;

/** A change, and who wants to hear of it. */
export type AppliedChange = {
  readonly change: Change;
  /** Seconds that the value has to live. */
  readonly ttl?: number;
} & Watched;

/**
 * The operation had nothing to change: a delete of nothing, a check, or a set that is no later than what it would replace.
 * `revision` is that of what is held, 0 for nothing; `ts` is the time that a later set has to be past.
 */
export type Unchanged = { readonly change: null; readonly revision: number; readonly ts: number };

/** Whether the channel of a change's key wants to hear of it, and whether that of its namespace does. */
export type Watched = { readonly watched: boolean; readonly namespaceWatched: boolean };

/** In place of a key, where all keys of a namespace are meant. No key is empty. */
export const ALL_KEYS = "";

/** Why nothing was written. `operation` is the index of the one that was refused. */
export type Refused = Conflict | TsAhead | SchemaChanged | QuotaExceeded | IdReused;

/** The key holds something else than was expected: this, of the kind that the operation is about. */
export type Conflict = {
  readonly outcome: "conflict";
  readonly operation: number;
  readonly current: CurrentText | null;
};

/** The caller's time is further ahead of the store's than `maxTsAheadSeconds`. */
export type TsAhead = { readonly outcome: "ts_ahead"; readonly operation: number };

/** Values were checked against schemas that are not their keys' any more; these are the ones to check them against. */
export type SchemaChanged = {
  readonly outcome: "schema_changed";
  readonly schemas: readonly { readonly key: string; readonly schema: StoredSchema | null }[];
};

/** The namespace would hold more than it may. */
export type QuotaExceeded = { readonly outcome: "quota_exceeded"; readonly of: "keys" | "bytes" };

/** The write's idempotency id belongs to an earlier one with another fingerprint. */
export type IdReused = { readonly outcome: "id_reused" };

/** What an engine decides about an operation; the rest of its change is in the operation. `ts` as in `Change`. */
export type Version = { readonly revision: number; readonly previous: number; readonly ts: number };

/** The change that an operation makes, of those that make one. */
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
    case "check":
      throw new Error("a check changes nothing");
  }
}

/** `Applied` as engines keep and send it: without what the caller knows already, so that no value travels back. */
export type AppliedVersions = {
  readonly outcome: "applied";
  readonly results: readonly (AppliedVersion | Unchanged)[];
  /** That of the first operation when it was applied, if its record keeps it. */
  readonly text?: JsonText | undefined;
};

export type AppliedVersion = { readonly change?: undefined } & Version & Watched;

/** What operations came to. */
export function appliedChanges(operations: readonly Operation[], { results, text }: AppliedVersions): Applied {
  return {
    outcome: "applied",
    results: operations.map((operation, index): OperationResult => {
      const version = results[index];
      if (!version) throw new Error("the store told of fewer operations than there were");
      if (version.change === null) return version;
      const { watched, namespaceWatched } = version;
      const change = changeOf(operation, version);
      return {
        change: text !== undefined && index === 0 ? { ...change, json: text } : change,
        watched,
        namespaceWatched,
        ...(operation.op === "set" && typeof operation.ttl === "number" && { ttl: operation.ttl }),
      };
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

/** Which keys to list, of those that hold a value. */
export type KeysQuery = {
  readonly prefix: string;
  /** The key to go on after, which begins with the prefix; empty for the first page. */
  readonly after: string;
  /** How many keys to look at, at most. */
  readonly limit: number;
  readonly values: boolean;
};

/** Some of them, in the order of their bytes. */
export type KeysPage = {
  readonly keys: readonly ListedKey[];
  /** What to go on after; `null` if nothing follows. */
  readonly next: string | null;
};

/** `value` where it was asked for. */
export type ListedKey = {
  readonly key: string;
  readonly ts: number;
  readonly revision: number;
  readonly value: JsonText | null;
};

export type Watch = {
  /** The revision of the namespace's last change so far. */
  readonly head: number;
  /** Milliseconds until the next value that is watched expires, `null` if there is none. */
  readonly expiresInMs: number | null;
};

/** How much a namespace may hold; `undefined` for any amount. */
export type Quota = {
  /** Keys that hold a value or have a schema. */
  readonly keys: number | undefined;
  /** Bytes of the texts of values and schemas. */
  readonly bytes: number | undefined;
};

/**
 * A value whose time is over is absent from that moment on, by the store's clock, to everything that reads or compares.
 * That becomes a change, with the next revision, when the store comes by: before a set of the same key, in its history, for
 * whoever watches, or with `expire`.
 */
export interface Store {
  /** Which engine this is, for `/health`. */
  readonly engine: string;

  /**
   * Applies all operations in one atomic step, one after the other, or none. All conditions are about what was there before
   * the first. Within `idempotencySeconds` a repeat of an applied write changes nothing and comes to what the first one came
   * to, whatever has happened since.
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

  /** A page of the keys that hold a value. It may have fewer than `limit`, and none, and still others follow. */
  readKeys(namespace: string, query: KeysQuery): Promise<KeysPage>;

  /** From now on applied changes of `key`, or of `ALL_KEYS`, say that they are watched. */
  watch(namespace: string, key: string, token: string): Promise<Watch>;

  /** Ends that, unless another `watch` came after the one with this token, however late this call arrives. */
  unwatch(namespace: string, key: string, token: string): Promise<void>;

  /** Makes changes of the values whose time is over, in all namespaces, where the engine does not do so by itself. */
  expire(): Promise<void>;

  /** Resolves if the store answers. */
  ping(): Promise<void>;
}
