// The store of record as the rest of memX sees it. Two engines implement it. Expected outcomes are data, because errors lose their
// class across Durable Object RPC. A store that cannot be reached throws `store_unavailable`.

import type { StoreTimeouts } from "../../config/store-settings.ts";
import type { Change, CurrentText, Details, JsonText } from "../../sdk/protocol.ts";
import type { ApiError } from "../errors.ts";

/** The current value of a key. */
export type Entry = { readonly value: JsonText; readonly ts: number; readonly revision: number } & Details;

/** A key's schema, and the time, revision and writer of the change that set it. */
export type StoredSchema = {
  readonly schema: JsonText;
  readonly ts: number;
  readonly revision: number;
  readonly by?: string | undefined;
};

export function currentValue({ value, ...version }: Entry): CurrentText {
  return { text: value, ...version };
}

export function currentSchema({ schema, ...version }: StoredSchema): CurrentText {
  return { text: schema, ...version };
}

/** One step of a write. */
export type Operation =
  | ({
      readonly op: "set";
      readonly key: string;
      readonly value: JsonText;
      /** Revision of the schema that the value was checked against; 0 if the key had none. */
      readonly schemaRevision: number;
      /** The caller's own time, in seconds since the epoch. The set applies only if the key's `ts` is earlier. */
      readonly ts?: number | undefined;
      /** Seconds to live, or `keep` for what is left of the present time to live. By default, the value does not expire. */
      readonly ttl?: number | "keep" | undefined;
    } & Expecting)
  | ({ readonly op: "delete"; readonly key: string } & Expecting)
  | ({ readonly op: "check"; readonly key: string } & Expecting)
  | ({ readonly op: "schema_set"; readonly key: string; readonly schema: JsonText } & Expecting)
  | ({ readonly op: "schema_delete"; readonly key: string } & Expecting);

/** Required revision of the current value (of the schema, if the operation is about the schema); 0 requires that there is none. */
type Expecting = { readonly expect?: number | undefined };

/**
 * Lets a caller repeat a write whose response was lost. The `id` names the write within the namespace. The `fingerprint`
 * covers the whole request, and distinguishes a repeat from a different write with the same id.
 */
export type Idempotency = {
  readonly id: string;
  readonly fingerprint: string;
  /** A repeat needs the text that the first operation wrote, which its caller cannot know. */
  readonly needsText?: boolean;
};

export type WriteOptions = {
  readonly idempotency?: Idempotency | undefined;
  /** The name that the writer gave itself. The store keeps it with every change of the write. */
  readonly by?: string | undefined;
};

/** The outcome of a write: every operation applied, or none. */
export type WriteOutcome = Applied | Refused;

export type Applied = {
  readonly outcome: "applied";
  /** One for each operation. */
  readonly results: readonly OperationResult[];
  /** Revision of the namespace's last change after the write. Absent for a repeat. */
  readonly head?: number | undefined;
};

export type OperationResult = AppliedChange | Unchanged;

/** A change, and which channels are watching it. */
export type AppliedChange = {
  readonly change: Change;
  /** Seconds the value lives. */
  readonly ttl?: number;
  /**
   * Since this revision, the namespace has counted its changes without a gap. An earlier position may be one that the
   * store has lost, and so may every position if the store does not say.
   */
  readonly gaplessSince?: number | undefined;
} & Watched;

/**
 * The operation had nothing to change: a delete of nothing, a check, or a set whose `ts` is not later than the key's.
 * `revision` is the key's current one, 0 for none; `ts` is the time that a later set must exceed.
 */
export type Unchanged = { readonly change: null; readonly revision: number; readonly ts: number };

/** Whether the channel of the change's key is watching, and whether the channel of its namespace is. */
export type Watched = { readonly watched: boolean; readonly namespaceWatched: boolean };

/** Stands in place of a key for all keys of a namespace. No key is empty. */
export const ALL_KEYS = "";

/** Why nothing was written. `operation` is the index of the refused operation. */
export type Refused = Conflict | TsAhead | SchemaChanged | QuotaExceeded | IdReused | ValueGone;

/** `expect` does not match. `current` is what the key holds: its value, or its schema if the operation is about the schema. */
export type Conflict = {
  readonly outcome: "conflict";
  readonly operation: number;
  readonly current: CurrentText | null;
  /** Revision of the namespace's last change; 0 before the first. */
  readonly head: number;
};

/** The caller's `ts` is more than `maxTsAheadSeconds` ahead of the store's clock. */
export type TsAhead = { readonly outcome: "ts_ahead"; readonly operation: number };

/** Values were checked against outdated schemas; these are the current ones. */
export type SchemaChanged = {
  readonly outcome: "schema_changed";
  readonly schemas: readonly { readonly key: string; readonly schema: StoredSchema | null }[];
};

/** The write would exceed a quota of the namespace. */
export type QuotaExceeded = { readonly outcome: "quota_exceeded"; readonly of: "keys" | "bytes" };

/** The idempotency id belongs to an earlier write with a different fingerprint. */
export type IdReused = { readonly outcome: "id_reused" };

/**
 * A repeat: the first write was applied as `revision`. But its text, which this caller needs, has since been replaced, and
 * the log no longer has it.
 */
export type ValueGone = { readonly outcome: "value_gone"; readonly revision: number };

/** The part of a change that an engine decides; the rest is in the operation. All parts as in `Change`. */
export type Version = {
  readonly revision: number;
  readonly previous: number;
  readonly ts: number;
  readonly created?: number | undefined;
  readonly expires?: number | undefined;
};

/** Returns the change that an operation makes. */
export function changeOf(operation: Operation, version: Version, by: string | undefined): Change {
  const { revision, previous, ts, created, expires } = version;
  const common = { key: operation.key, revision, previous, ts, by };
  switch (operation.op) {
    case "set":
      return { event: "value", action: "set", json: operation.value, ...common, created, expires };
    case "delete":
      return { event: "value", action: "delete", json: null, ...common };
    case "schema_set":
      return { event: "schema", action: "set", json: operation.schema, ...common };
    case "schema_delete":
      return { event: "schema", action: "delete", json: null, ...common };
    case "check":
      throw new Error("a check changes nothing");
  }
}

/** `Applied` as engines store and send it: without what the caller already knows, so that no value travels back. */
export type AppliedVersions = {
  readonly outcome: "applied";
  readonly results: readonly (AppliedVersion | Unchanged)[];
  /** The writer of the changes, which is not this one if the write is a repeat. */
  readonly by?: string | undefined;
  /** The text that the first operation wrote, in a repeat that needs it. */
  readonly text?: JsonText | undefined;
  /** As in `AppliedChange`. */
  readonly gaplessSince?: number | undefined;
  /** As in `Applied`. */
  readonly head?: number | undefined;
};

export type AppliedVersion = { readonly change?: undefined } & Version & Watched;

/** Completes the versions that an engine returned to the changes that the operations made. */
export function appliedChanges(
  operations: readonly Operation[],
  { results, by, text, gaplessSince, head }: AppliedVersions,
): Applied {
  return {
    outcome: "applied",
    head,
    results: operations.map((operation, index): OperationResult => {
      const version = results[index];
      if (!version) throw new Error("the store returned fewer results than there are operations");
      if (version.change === null) return version;
      const { watched, namespaceWatched } = version;
      const change = changeOf(operation, version, by);
      return {
        change: text !== undefined && index === 0 ? { ...change, json: text } : change,
        watched,
        namespaceWatched,
        ...(operation.op === "set" && typeof operation.ttl === "number" && { ttl: operation.ttl }),
        ...(gaplessSince !== undefined && { gaplessSince }),
      };
    }),
  };
}

/** A part of the change log, oldest first. */
export type LogSlice = {
  readonly changes: readonly Change[];
  /** Whether more follow. Ask again after the last one. */
  readonly more: boolean;
  /** Whether the log no longer reaches back far enough: changes before these are missing. */
  readonly truncated: boolean;
  /** Revision of the namespace's last change. */
  readonly head: number;
};

/** The value of a key at a moment, as responses carry it, so that the text of most reads is sent on as it came. */
export type EntryRead = {
  /** An entry, or the JSON `null`. */
  readonly text: JsonText;
  /** Characters of the value, which is the first member. 0 if the key holds nothing, as `revision`. */
  readonly valueLength: number;
  readonly revision: number;
  /** Revision of the namespace's last change at that moment; 0 before the first. */
  readonly head: number;
};

/** The schema of a key. `head` as in `EntryRead`. */
export type SchemaRead = { readonly schema: StoredSchema | null; readonly head: number };

/** Changes of a key, newest first. `head` as in `EntryRead`. */
export type History = { readonly changes: readonly Change[]; readonly head: number };

/** Entries at one moment. */
export type ManyRead =
  | {
      readonly outcome: "read";
      /** One for each key, `null` for a key without a value. */
      readonly entries: readonly (Entry | null)[];
      /** Revision of the namespace's last change at that moment; 0 before the first. */
      readonly head: number;
    }
  /** The values are larger together than `maxReadBytes`. */
  | { readonly outcome: "too_large" };

/** A part of the change log of all keys, oldest first. It says which changes there are, and not what they set. */
export type LogScan = Omit<LogSlice, "changes"> & { readonly changes: readonly LoggedChange[] };

export type LoggedChange = Pick<Change, "revision" | "key" | "event">;

/** Some of the keys that have a value or a schema, in byte order. */
export type NamesPage = {
  readonly names: readonly StoredName[];
  /** The key to continue after; `null` if nothing follows. */
  readonly next: string | null;
};

/** A key, and the revisions of its current value and its current schema, 0 for none. */
export type StoredName = { readonly key: string; readonly valueRevision: number; readonly schemaRevision: number };

/** What is stored under a key. */
export type StoredKey = {
  readonly key: string;
  readonly entry: Entry | null;
  readonly schema: StoredSchema | null;
};

/** Which of the keys that hold a value to list. */
export type KeysQuery = {
  readonly prefix: string;
  /** The key to continue after, which starts with the prefix; empty for the first page. */
  readonly after: string;
  /** The most keys to look at. */
  readonly limit: number;
  readonly values: boolean;
};

/** A page of keys, in byte order. */
export type KeysPage = {
  readonly keys: readonly ListedKey[];
  /** The key to continue after; `null` if nothing follows. */
  readonly next: string | null;
  /** Revision of the namespace's last change; 0 before the first. */
  readonly head: number;
};

/** `value` is `null` and there are no details unless the query asks for values. */
export type ListedKey = {
  readonly key: string;
  readonly ts: number;
  readonly revision: number;
  readonly value: JsonText | null;
} & Details;

/** What a store that responds says of itself. */
export type StoreHealth = {
  /** `full`: only reads work, and writes that free room. `read_only`: only reads work. */
  readonly status: "ok" | "full" | "read_only";
  /** The store deletes data by itself when it is full. */
  readonly evicts: boolean;
};

/** A call that `many` takes: `write`, `readEntry` or `readSchema`. */
export type StoreCall =
  | { readonly call: "write"; readonly operations: readonly Operation[]; readonly options: WriteOptions }
  | { readonly call: "readEntry" | "readSchema"; readonly key: string };

/** What became of a call of `many`. */
export type CallOutcome =
  /** What the call would return alone. */
  | { readonly outcome: "done"; readonly reply: WriteOutcome | EntryRead | SchemaRead }
  /** What the call would throw alone. */
  | { readonly outcome: "failed"; readonly error: ApiError }
  /** The read was not run, because what the others read fills the response. Call again. */
  | { readonly outcome: "deferred" };

export type Watch = {
  /** Revision of the namespace's last change. */
  readonly head: number;
  /** Milliseconds until the next watched value expires, `null` if none will. */
  readonly expiresInMs: number | null;
};

export type { Quota } from "../../config/store-settings.ts";

/**
 * From the moment a value expires, by the store's clock, it is absent to everything that reads or compares. The store records
 * the expiry as a change, with the next revision, when it next comes across it: before a set of the same key, when it reads the
 * key's history, for a watcher, or in `expire`.
 */
export interface Store {
  /** Which engine this is, for `/health`. */
  readonly engine: string;

  readonly timeouts: StoreTimeouts;

  /**
   * Applies all operations in one atomic step, in order, or none. All conditions refer to the state before the first operation.
   * Within `idempotencySeconds`, a repeat of an applied write changes nothing and returns the outcome of the first write,
   * whatever has happened since, as long as the store has room for the record.
   */
  write(namespace: string, operations: readonly Operation[], options?: WriteOptions): Promise<WriteOutcome>;

  /**
   * Makes independent calls with one request to the store, and returns what became of each. They take effect in any order, so
   * a caller that needs an order waits between its calls. At least one read is run.
   */
  many(namespace: string, calls: readonly StoreCall[]): Promise<readonly CallOutcome[]>;

  /** Returns the outcome of an earlier write of these operations, `null` if none was applied or the store forgot it. */
  recall(
    namespace: string,
    operations: readonly Operation[],
    idempotency: Idempotency,
  ): Promise<Applied | IdReused | ValueGone | null>;

  readEntry(namespace: string, key: string): Promise<EntryRead>;

  /** Reads all keys at one moment. A key that is given twice is there twice. */
  readMany(namespace: string, keys: readonly string[]): Promise<ManyRead>;

  readSchema(namespace: string, key: string): Promise<SchemaRead>;

  /** Returns the changes of `key`, or of `ALL_KEYS`, with a revision above `after` that are still in the log. */
  readLog(namespace: string, key: string, after: number): Promise<LogSlice>;

  /** Returns the last changes of `key` with a revision below `before`, newest first: at most `limit`, fewer if they are large. */
  readHistory(namespace: string, key: string, before: number, limit: number): Promise<History>;

  /** Returns the changes with a revision above `after` that are still in the log. Reads none of the texts that they set. */
  scanLog(namespace: string, after: number): Promise<LogScan>;

  /**
   * Returns the changes with these revisions, in their order: as many as fit into one response, and at least one. A change
   * that is no longer in the log is `null`.
   */
  readChanges(namespace: string, revisions: readonly number[]): Promise<readonly (Change | null)[]>;

  /**
   * Returns a page of the keys after `after`, which is empty for the first page. It can be empty although more follow.
   * Reads no value and no schema, so that a caller can choose which of them to read.
   */
  readNames(namespace: string, after: string): Promise<NamesPage>;

  /** Returns what these keys have, in their order: as many as fit into one response, and at least one. */
  readEntries(namespace: string, keys: readonly string[]): Promise<readonly StoredKey[]>;

  /** Returns a page of the keys that hold a value. It can have fewer keys than `limit`, even none, although more follow. */
  readKeys(namespace: string, query: KeysQuery): Promise<KeysPage>;

  /**
   * From now on, applied changes of `key`, or of `ALL_KEYS`, say that they are watched. `watchToken` makes the token: on a
   * store with several memX, a watch replaces only the one of the same owner, and ends unless it is renewed within 5
   * minutes.
   */
  watch(namespace: string, key: string, token: string): Promise<Watch>;

  /** Ends the watch with this token. Has no effect after a later `watch` of its owner, however late this call arrives. */
  unwatch(namespace: string, key: string, token: string): Promise<void>;

  /** Records expired values as changes, in all namespaces, if the engine does not do so by itself. */
  expire(): Promise<void>;

  /** Finds out which calls work. Changes nothing. */
  checkHealth(): Promise<StoreHealth>;
}
