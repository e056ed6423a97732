// What goes into the calls of the client, and what comes out.

import type { EventFilter } from "../protocol.ts";

/** A JSON Schema: draft 4, 6, 7, 2019-09 or 2020-12. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** What a key holds. */
export type Entry<T = unknown> = {
  readonly value: T;
  /** Seconds since the epoch at which it was written. */
  readonly ts: number;
  /** Position in the order of all changes of the memory. What `expect` compares. */
  readonly revision: number;
};

/**
 * What a key currently holds, as a conflict reports it: the value, or the schema if the write was about the schema.
 * The one that is not `undefined` is the one that the conflict is about.
 */
export type Current =
  | (Entry & { readonly schema?: undefined })
  | {
      readonly schema: JsonSchema;
      readonly value?: undefined;
      readonly ts: number;
      /** Revision of the schema. What `expect` compares. */
      readonly revision: number;
    };

/** What a write of a value came to. */
export type Written = {
  readonly ok: true;
  /** `false` where the `ts` that was sent is not later than that of what the key holds: nothing has changed. */
  readonly updated: boolean;
  readonly revision: number;
  readonly ts: number;
};

/** What a change of a part came to: `value` is the whole one that the key holds now. */
export type Patched<T = unknown> = Written & { readonly value: T };

export type Deleted = { readonly ok: true; readonly deleted: boolean; readonly revision: number };

export type SchemaWritten = { readonly ok: true; readonly revision: number };

export type StoredSchema = { readonly key: string; readonly schema: JsonSchema; readonly revision: number };

export type Health = { readonly status: string; readonly store: string; readonly version: string };

export type KeyEntry<T = unknown> = {
  readonly key: string;
  readonly ts: number;
  readonly revision: number;
  /** With `values: true`. */
  readonly value?: T;
};

/** One operation of RFC 6902. */
export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly from: string; readonly path: string };

export type BatchOperation =
  | ({ readonly op: "set"; readonly key: string; readonly value: unknown } & SetFields)
  | { readonly op: "delete"; readonly key: string; readonly expect?: number }
  | { readonly op: "check"; readonly key: string; readonly expect: number };

/** The result of one operation: a `set` has `updated` and `ts`, a `delete` has `deleted`, a `check` has only `revision`. */
export type BatchResult = {
  readonly updated?: boolean;
  readonly deleted?: boolean;
  readonly revision: number;
  readonly ts?: number;
};

/** `results` are in the order of the operations. */
export type Batched = { readonly ok: true; readonly results: readonly BatchResult[] };

export type CallOptions = {
  /** Ends the call: it rejects with the signal's reason. A write may have been applied all the same. */
  readonly signal?: AbortSignal | undefined;
};

export type WriteOptions = CallOptions & {
  /** Names this write, so that it is applied once even across restarts of the caller. @default a new one per call */
  readonly idempotencyKey?: string;
};

export type ExpectOptions = WriteOptions & {
  /** Write only if this is the revision of what the key holds; 0 if it has to hold nothing. */
  readonly expect?: number;
};

type SetFields = {
  /** Write only if this is the revision of what the key holds; 0 if it has to hold nothing. */
  readonly expect?: number;
  /** Seconds after which the key holds nothing again. */
  readonly ttl?: number;
  /** The writer's own time, in seconds since the epoch: it wins only over earlier ones. */
  readonly ts?: number;
};

export type SetOptions = WriteOptions & SetFields;

export type PatchOptions = ExpectOptions & {
  /** Seconds after which the key holds nothing again. @default what is left of its present time */
  readonly ttl?: number;
};

export type IncrementOptions = PatchOptions & {
  /** JSON Pointer to the number. @default the value itself */
  readonly path?: string;
};

export type AppendOptions = PatchOptions & {
  /** JSON Pointer to the array. @default the value itself */
  readonly path?: string;
  /** Keep only the newest so many. */
  readonly limit?: number;
};

export type KeysOptions = CallOptions & {
  readonly prefix?: string;
  /** List what the keys hold, too. @default false */
  readonly values?: boolean;
  /** Keys per request: 1 to 1,000. @default 1000 */
  readonly pageSize?: number;
};

export type HistoryOptions = CallOptions & {
  /** Changes per request: 1 to 1,000. @default 100 */
  readonly pageSize?: number;
  /** Only changes with a lower revision. */
  readonly before?: number;
};

/** `connecting`: not to memX, or not yet up to date. `behind`: its consumer is slow, and it catches up later. */
export type SubscriptionStatus = "connecting" | "live" | "behind" | "closed";

export type SubscribeOptions = CallOptions & {
  /** Which changes. @default "value" */
  readonly event?: EventFilter;
  /** Begin with what is held now, key by key. @default false */
  readonly snapshot?: boolean;
  /** Begin with what came after this revision, for a program that goes on where it ended. 0 is a snapshot. */
  readonly since?: number;
  /** Events that may wait for a slow consumer. One that lags further is caught up from memX. @default 1000 */
  readonly buffer?: number;
  readonly onStatus?: (status: SubscriptionStatus) => void;
  /** Forget what you have: memX no longer knows what you missed, and what is held now follows. */
  readonly onReset?: (revision: number) => void;
};
