// The schemas that this isolate has compiled, by key. An entry may be arbitrarily old: the store compares the schema's
// revision on each write, and reports a difference.

import { LRUCache } from "lru-cache";
import type { StoredSchema } from "../store/store.ts";
import { compileSchema, type ValueCheck } from "./compile-schema.ts";
import type { WorkMeter } from "./work-meter.ts";

export type CompiledSchema = {
  /** The revision that set the schema; 0 if the key has no schema. */
  readonly revision: number;
  readonly check: ValueCheck;
};

const NO_SCHEMA: CompiledSchema = { revision: 0, check: () => [] };

// The size is in characters of schema text. A compiled schema takes about twenty times as many bytes.
const compiled = new LRUCache<string, CompiledSchema>({ max: 5_000, maxSize: 2 * 1024 * 1024 });

const cacheKey = (namespace: string, key: string) => JSON.stringify([namespace, key]);

/** The last schema that this isolate learned for the key. */
export function knownSchema(namespace: string, key: string): CompiledSchema {
  return compiled.get(cacheKey(namespace, key)) ?? NO_SCHEMA;
}

/** Characters that are parsed in one step. */
const PARSED_IN_A_STEP = 64;

/**
 * Compiles and caches the key's current schema, as the store has just returned it.
 * @throws {WorkExceeded}
 */
export function learnSchema(
  namespace: string,
  key: string,
  stored: StoredSchema | null,
  meter: WorkMeter,
): CompiledSchema {
  const name = cacheKey(namespace, key);
  if (stored === null) {
    compiled.delete(name);
    return NO_SCHEMA;
  }
  const known = compiled.get(name);
  if (known?.revision === stored.revision) return known;
  meter.spend(1 + stored.schema.length / PARSED_IN_A_STEP);
  const schema = { revision: stored.revision, check: compileSchema(JSON.parse(stored.schema), meter) };
  compiled.set(name, schema, { size: stored.schema.length });
  return schema;
}
