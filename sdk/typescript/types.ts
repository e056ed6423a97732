// The arguments and results of the client's calls.

import type { EventFilter } from "../protocol.ts";
import type { MemxError } from "./errors.ts";
import type { Mirror } from "./mirror.ts";

/** A JSON Schema: draft 4, 6, 7, 2019-09 or 2020-12. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** A key's current value, with its version. */
export type Entry<T = unknown> = {
  readonly value: T;
  /** Time of the write, in seconds since the epoch. */
  readonly ts: number;
  /** Position in the order of all changes of the memory. `expect` compares it. */
  readonly revision: number;
} & Details;

/** What memX may say of a value besides. */
export type Details = {
  /** Time of the first write since the key held nothing, in seconds since the epoch. */
  readonly created?: number;
  /** Time at which the value expires, in seconds since the epoch. Absent if it does not expire. */
  readonly expires?: number;
  /** The name of the client that wrote the value: its option `agent`. Absent if it has none. */
  readonly by?: string;
};

/** The entries of several keys at one moment. */
export type Entries<T = unknown> = {
  /** In the order of the keys, `null` for a key that holds nothing. */
  readonly entries: readonly (Entry<T> | null)[];
  /** The last change that the entries have. A subscription may begin after it. */
  readonly revision: number;
};

/** A key's current value, or its current schema if the conflict is about the schema. The other one is `undefined`. */
export type Current =
  | (Entry & { readonly schema?: undefined })
  | {
      readonly schema: JsonSchema;
      readonly value?: undefined;
      readonly ts: number;
      /** Revision of the schema. `expect` compares it. */
      readonly revision: number;
    };

/** The result of a write. */
export type Written = {
  readonly ok: true;
  /** `false` if the key has a `ts` that is not earlier than the one sent: then nothing changed. */
  readonly updated: boolean;
  readonly revision: number;
  readonly ts: number;
};

/** The result of a change to a part of a value. `value` is the whole value after it. */
export type Patched<T = unknown> = Written & { readonly value: T };

/** The result of a deletion. `deleted` is `false` if the key held nothing. */
export type Deleted = { readonly ok: true; readonly deleted: boolean; readonly revision: number };

/** The result of setting or deleting a schema. */
export type SchemaWritten = { readonly ok: true; readonly revision: number };

/** A key's current schema, with its revision. */
export type StoredSchema = { readonly key: string; readonly schema: JsonSchema; readonly revision: number };

/** The state of memX: `status` is `"ok"`, and `store` is the kind of store. */
export type Health = {
  /** `full` and `read_only`: reads work, and memX refuses most writes. */
  readonly status: "ok" | "full" | "read_only";
  readonly store: string;
  readonly version: string;
  /** What the operator must fix. Branch on the code. */
  readonly warnings?: readonly { readonly code: string; readonly detail: string }[];
};

/** What an API key may do, and which memX this is. */
export type WhoAmI = {
  /** What the API key is called, if it has a name. */
  readonly name?: string;
  readonly engine: string;
  readonly version: string;
  /** Globs over the keys as this API key sees them. */
  readonly scopes: { readonly read: readonly string[]; readonly write: readonly string[] };
  /** Limits that a caller can reach, by name. */
  readonly limits: Readonly<Record<string, number>>;
};

/** A listed key. */
export type KeyEntry<T = unknown> = {
  readonly key: string;
  readonly ts: number;
  readonly revision: number;
  /** Only with `values: true`, like the details. */
  readonly value?: T;
} & Details;

/** One operation of RFC 6902. */
export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly from: string; readonly path: string };

/** One operation of a batch. A `check` writes nothing: it only expects a revision. */
export type BatchOperation =
  | ({ readonly op: "set"; readonly key: string; readonly value: unknown } & SetFields)
  | { readonly op: "delete"; readonly key: string; readonly expect?: number }
  | { readonly op: "check"; readonly key: string; readonly expect: number };

/** The result of one operation: a `set` has `updated` and `ts`, a `delete` has `deleted`, a `check` only `revision`. */
export type BatchResult = {
  readonly updated?: boolean;
  readonly deleted?: boolean;
  readonly revision: number;
  readonly ts?: number;
};

/** `results` are in the order of the operations. */
export type Batched = { readonly ok: true; readonly results: readonly BatchResult[] };

/** Options of every call. */
export type CallOptions = {
  /** Aborts the call, which rejects with the signal's reason. memX may have applied a write anyway. */
  readonly signal?: AbortSignal | undefined;
};

/** Options of `get`. */
export type GetOptions = CallOptions & {
  /** Answer from this mirror while it is live, if it covers the key, without a call. */
  readonly mirror?: Mirror | undefined;
};

/** Options of every write. */
export type WriteOptions = CallOptions & {
  /** Identifies the write, so that a repeat changes nothing, even after a restart. @default a new one for each call */
  readonly idempotencyKey?: string;
};

/** Options of writes that can expect a revision. */
export type ExpectOptions = WriteOptions & {
  /** Write only if the key's current revision equals this. Use 0 to require that the key does not exist. */
  readonly expect?: number;
};

type SetFields = {
  /** Write only if the key's current revision equals this. Use 0 to require that the key does not exist. */
  readonly expect?: number;
  /** Seconds until the value expires, or `"keep"` for the time that is left. @default it does not expire */
  readonly ttl?: number | "keep";
  /** Time of the write, in seconds since the epoch. It wins only over earlier writes. @default memX's clock */
  readonly ts?: number;
};

/** Options of `set`. */
export type SetOptions = WriteOptions & SetFields;

/** Options of `patch` and `merge`. */
export type PatchOptions = ExpectOptions & {
  /** Seconds until the value expires. @default the time that is left */
  readonly ttl?: number;
};

/** Options of `update`. */
export type UpdateOptions = ExpectOptions & {
  /** Seconds until the value expires, or `"keep"` for the time that is left. @default "keep" */
  readonly ttl?: number | "keep";
};

/** Options of `increment`. */
export type IncrementOptions = PatchOptions & {
  /** JSON Pointer to the number. @default the value itself */
  readonly path?: string;
};

/** Options of `append`. */
export type AppendOptions = PatchOptions & {
  /** JSON Pointer to the array. @default the value itself */
  readonly path?: string;
  /** Keep only this many items, the newest. @default all items */
  readonly limit?: number;
};

/** Options of `keys`. */
export type KeysOptions = CallOptions & {
  /** List only keys that begin with this text. @default all keys */
  readonly prefix?: string;
  /** List the values too. @default false */
  readonly values?: boolean;
  /** Keys per request: 1 to 1,000. @default 1000 */
  readonly pageSize?: number;
};

/** Options of `history`. */
export type HistoryOptions = CallOptions & {
  /** Changes per request: 1 to 1,000. @default 100 */
  readonly pageSize?: number;
  /** List only changes with a lower revision. @default all changes */
  readonly before?: number;
};

/**
 * `connecting`: not connected, or not up to date yet. `behind`: the consumer is slow, and the subscription catches up
 * once the consumer has read what waits.
 */
export type SubscriptionStatus = "connecting" | "live" | "behind" | "closed";

/** Options of `subscribe` and `watch`. */
export type SubscribeOptions = CallOptions & {
  /** Which changes to deliver. @default "value" */
  readonly event?: EventFilter;
  /** Begin with the current entries, one `set` for each key. @default false */
  readonly snapshot?: boolean;
  /** Begin after this revision, to continue where a program ended. 0 is a snapshot. Excludes `snapshot`. @default now */
  readonly since?: number;
  /** Number of events that may wait for a slow consumer. What does not fit is fetched later. @default 1000 */
  readonly buffer?: number;
  /**
   * Called whenever the status changes, and with `connecting` for each attempt that failed, with its error. If it throws,
   * the subscription ends with that error.
   */
  readonly onStatus?: (status: SubscriptionStatus, error?: MemxError) => unknown;
  /**
   * Called if memX no longer knows what was missed: forget all entries, the current ones follow once the promise that it
   * returned resolves. If it throws, the subscription ends with that error.
   */
  readonly onReset?: (revision: number) => unknown;
};

/** Options of `mirror`. */
export type MirrorOptions = CallOptions &
  Pick<SubscribeOptions, "onStatus"> & {
    /** The mirror ends with the code `mirror_full` if its entries have more characters of JSON. @default 67108864 */
    readonly maxChars?: number;
  };
