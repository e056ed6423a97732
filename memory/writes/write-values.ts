// Writes values that their keys' schemas allow. In steady state this is one round trip: values are checked against the schemas
// that this isolate knows, and the store refuses the write if one of them is out of date.

import { storeUnavailable } from "../errors.ts";
import { type CompiledSchema, knownSchema, learnSchema } from "../schemas/schema-cache.ts";
import { WorkExceeded, WorkMeter } from "../schemas/work-meter.ts";
import type { Operation, Store, StoredSchema, WriteOptions } from "../store/store.ts";
import type { FinalOutcome } from "./final-outcome.ts";

type SetOperation = Extract<Operation, { op: "set" }>;

/** An operation before it is known which schema its value must match. `parsed` is the value's JSON text, parsed. */
export type Draft = Exclude<Operation, SetOperation> | SetDraft;
export type SetDraft = Omit<SetOperation, "schemaRevision"> & { readonly parsed: unknown };

type Options = WriteOptions & {
  /** Whether the caller may read the key, and so its schema. If not, errors do not quote the schema. */
  readonly mayRead: (key: string) => boolean;
  /** When the request began, in milliseconds since the epoch. */
  readonly startMs?: number;
  /** Counts the work of the whole request. @default a meter of its own */
  readonly meter?: WorkMeter;
};

/** A write gives up after this many attempts. Each one needs another schema change within the same request. */
const MAX_ATTEMPTS = 8;

/**
 * Whether a request that began at `startMs` has time for another attempt. Later than that no attempt begins: a caller that
 * already saw a failure must not be overtaken by its own old write.
 */
export function canStart({ timeouts }: Store, startMs: number): boolean {
  return Date.now() <= startMs + timeouts.lastAttemptMs;
}

/** @throws {ApiError} `store_unavailable`, `rate_limited` */
export async function writeValues(
  store: Store,
  namespace: string,
  drafts: readonly Draft[],
  { idempotency, by, mayRead, startMs = Date.now(), meter = new WorkMeter() }: Options,
): Promise<FinalOutcome> {
  const schemas = new Map<string, CompiledSchema>();
  const schemaOf = (key: string) => schemas.get(key) ?? knownSchema(namespace, key);
  const checked = new Map<number, CompiledSchema>();
  const learn = (key: string, stored: StoredSchema | null) => {
    const schema = learnSchema(namespace, key, stored, meter);
    schemas.set(key, schema);
    return schema;
  };
  // The operation whose check or schema is being worked on.
  let at = 0;
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      if (!canStart(store, startMs)) throw storeUnavailable("the store was slow to say that a schema changed");
      const operations = drafts.map((draft) => toOperation(draft, schemaOf));
      let outdated = false;
      for (const [index, draft] of drafts.entries()) {
        if (draft.op !== "set") continue;
        const schema = schemaOf(draft.key);
        if (checked.get(index) === schema) continue;
        at = index;
        if (schema.revision > 0) meter.begin();
        const errors = schema.check(draft.parsed, { meter, wording: mayRead(draft.key) ? "quoting" : "general" });
        if (errors.length === 0) {
          checked.set(index, schema);
          continue;
        }
        // The schema may have been loosened or deleted since; only the current one may refuse a value.
        const current = learn(draft.key, (await store.readSchema(namespace, draft.key)).schema);
        if (current.revision !== schema.revision) {
          outdated = true;
          continue;
        }
        // A repeat gets the outcome of the first write, which an earlier schema may have allowed.
        const earlier = idempotency && (await store.recall(namespace, operations, idempotency));
        return earlier ?? { outcome: "schema_violation", operation: index, errors };
      }
      if (outdated) continue;
      const outcome = await store.write(namespace, operations, { idempotency, by });
      if (outcome.outcome !== "schema_changed") return outcome;
      meter.begin();
      for (const { key, schema } of outcome.schemas) {
        at = drafts.findIndex((draft) => draft.op === "set" && draft.key === key);
        learn(key, schema);
      }
    }
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    // The first write may have needed less, because its schemas were in the cache.
    const operations = drafts.map((draft) => toOperation(draft, schemaOf));
    const earlier = idempotency && (await store.recall(namespace, operations, idempotency));
    return earlier ?? { outcome: "too_complex", operation: at };
  }
  return { outcome: "schema_unsettled" };
}

function toOperation(draft: Draft, schemaOf: (key: string) => CompiledSchema): Operation {
  if (draft.op !== "set") return draft;
  const { parsed, ...operation } = draft;
  return { ...operation, schemaRevision: schemaOf(draft.key).revision };
}
