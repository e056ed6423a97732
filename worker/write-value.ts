// Writes a value that its key's schema allows. In steady state that is one round trip: the check is made against the
// schema this isolate knows, and the store refuses the write if the key has another by now.

import type { JsonText } from "../sdk/protocol.ts";
import { ApiError } from "./errors.ts";
import { idReused } from "./idempotency.ts";
import { knownSchema, learnSchema } from "./schemas/schema-cache.ts";
import {
  type Applied,
  type AppliedChange,
  type Idempotency,
  type IdReused,
  type Store,
  storeUnavailable,
} from "./store/store.ts";

/** Somebody would have to replace the schema this many times within one request. */
const MAX_ATTEMPTS = 8;

/** Later than this no attempt begins: a caller that was told of a failure must not be overtaken by its own old write. */
const LAST_START_MS = 2_400;

/** @throws {ApiError} `schema_violation`, `conflict`, `invalid_request` for a reused idempotency id, `store_unavailable` */
export async function writeValue(
  store: Store,
  namespace: string,
  { key, value, text }: { key: string; value: unknown; text: JsonText },
  idempotency?: Idempotency,
): Promise<AppliedChange> {
  const startMs = Date.now();
  let schema = knownSchema(namespace, key);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (Date.now() > startMs + LAST_START_MS) throw storeUnavailable("the store was slow to say that a schema changed");
    const operation = { op: "set", key, value: text, schemaRevision: schema.revision } as const;
    const errors = schema.check(value);
    if (errors.length > 0) {
      // The schema may have been loosened or deleted since; only the current one may refuse a value.
      const current = learnSchema(namespace, key, await store.readSchema(namespace, key));
      if (current.revision === schema.revision) {
        // A repeat is answered as the first one was, which an earlier schema may have allowed.
        const earlier = idempotency && (await store.recall(namespace, [operation], idempotency));
        if (earlier) return onlyChange(earlier);
        const summary = errors.map(({ path, message }) => `${path || "the value"}: ${message}`).join("; ");
        throw new ApiError("schema_violation", `The value does not match the key's schema. ${summary}`, { errors });
      }
      schema = current;
      continue;
    }
    const outcome = await store.write(namespace, [operation], idempotency);
    if (outcome.outcome === "schema_changed") {
      schema = learnSchema(namespace, key, outcome.schema);
      continue;
    }
    return onlyChange(outcome);
  }
  throw new ApiError("conflict", "The key's schema changes faster than the value can be checked. Try again.");
}

function onlyChange(outcome: Applied | IdReused): AppliedChange {
  if (outcome.outcome === "id_reused") throw idReused();
  const [applied] = outcome.results;
  if (!applied) throw new Error("the store applied a set without a change");
  return applied;
}
