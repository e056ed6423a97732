// Writes values that their keys' schemas allow. In steady state that is one round trip: values are checked against the
// schemas this isolate knows, and the store refuses the write if a key has another by now.

import { idReused } from "../../worker/request/idempotency-key.ts";
import { ApiError, storeUnavailable } from "../errors.ts";
import { type CompiledSchema, knownSchema, learnSchema } from "../schemas/schema-cache.ts";
import type { Applied, Conflict, Idempotency, Operation, Refused, Store } from "../store/store.ts";

type SetOperation = Extract<Operation, { op: "set" }>;

/** An operation of which it is not known yet what schema its value has to match. `parsed` is that value. */
export type Draft = Exclude<Operation, SetOperation> | SetDraft;
export type SetDraft = Omit<SetOperation, "schemaRevision"> & { readonly parsed: unknown };

type Options = {
  readonly idempotency?: Idempotency | undefined;
  /** Where in the request an operation is, if there are several: a JSON Pointer. */
  readonly pathOf?: (operation: number) => string;
  /** When the request began, in milliseconds. */
  readonly startMs?: number;
};

/** Somebody would have to replace schemas this many times within one request. */
const MAX_ATTEMPTS = 8;

/** Later than this no attempt begins: a caller that was told of a failure must not be overtaken by its own old write. */
const LAST_START_MS = 2_400;

/** Whether there is time for another attempt of a request that began then. */
export function canStart(startMs: number): boolean {
  return Date.now() <= startMs + LAST_START_MS;
}

/**
 * A conflict is an outcome, because whoever patches a value tries again.
 * @throws {ApiError} `schema_violation`, `invalid_request`, `quota_exceeded`, `conflict`, `store_unavailable`
 */
export async function writeValues(
  store: Store,
  namespace: string,
  drafts: readonly Draft[],
  { idempotency, pathOf = () => "", startMs = Date.now() }: Options = {},
): Promise<Applied | Conflict> {
  const schemas = new Map<string, CompiledSchema>();
  const schemaOf = (key: string) => schemas.get(key) ?? knownSchema(namespace, key);
  const checked = new Map<number, CompiledSchema>();
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (!canStart(startMs)) throw storeUnavailable("the store was slow to say that a schema changed");
    const operations = drafts.map((draft) => toOperation(draft, schemaOf));
    let outdated = false;
    for (const [index, draft] of drafts.entries()) {
      if (draft.op !== "set") continue;
      const schema = schemaOf(draft.key);
      if (checked.get(index) === schema) continue;
      const errors = schema.check(draft.parsed);
      if (errors.length === 0) {
        checked.set(index, schema);
        continue;
      }
      // The schema may have been loosened or deleted since; only the current one may refuse a value.
      const current = learnSchema(namespace, draft.key, await store.readSchema(namespace, draft.key));
      if (current.revision !== schema.revision) {
        schemas.set(draft.key, current);
        outdated = true;
        continue;
      }
      // A repeat is answered as the first one was, which an earlier schema may have allowed.
      const earlier = idempotency && (await store.recall(namespace, operations, idempotency));
      if (earlier) return applied(earlier, pathOf);
      // A single value is its own root; in a batch it has a place.
      const root = pathOf(index) && `${pathOf(index)}/value`;
      const places = errors.map((error) => ({ ...error, path: root + error.path }));
      const summary = places.map(({ path, message }) => `${path || "the value"}: ${message}`).join("; ");
      throw new ApiError("schema_violation", `The value does not match the key's schema. ${summary}`, {
        errors: places,
      });
    }
    if (outdated) continue;
    const outcome = await store.write(namespace, operations, idempotency);
    if (outcome.outcome !== "schema_changed") return applied(outcome, pathOf);
    for (const { key, schema } of outcome.schemas) schemas.set(key, learnSchema(namespace, key, schema));
  }
  throw new ApiError("conflict", "The key's schema changes faster than the value can be checked. Try again.");
}

function toOperation(draft: Draft, schemaOf: (key: string) => CompiledSchema): Operation {
  if (draft.op !== "set") return draft;
  const { parsed, ...operation } = draft;
  return { ...operation, schemaRevision: schemaOf(draft.key).revision };
}

/** @throws {ApiError} for every outcome that is final */
export function applied(
  outcome: Applied | Refused,
  pathOf: (operation: number) => string = () => "",
): Applied | Conflict {
  switch (outcome.outcome) {
    case "applied":
    case "conflict":
      return outcome;
    case "ts_ahead": {
      const message = "This is more than a minute ahead of the store's clock.";
      const path = `${pathOf(outcome.operation)}/ts`;
      throw new ApiError("invalid_request", `The body is not valid. ${path}: ${message}`, {
        errors: [{ path, message }],
      });
    }
    case "quota_exceeded":
      throw new ApiError(
        "quota_exceeded",
        outcome.of === "keys"
          ? "The namespace has as many keys as it may have. Delete some, or write keys that are there."
          : "The namespace holds as many bytes as it may hold. Delete some, or write shorter values.",
      );
    case "id_reused":
      throw idReused();
    case "schema_changed":
      throw new Error("the store asked for a check of a write that has none");
  }
}
