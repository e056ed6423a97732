// The schemas this isolate has compiled, by key. It may be as old as it likes: the store compares the schema's revision
// with each write, and says so when they differ.

import { LRUCache } from "lru-cache";
import type { StoredSchema } from "../store/store.ts";
import { compileSchema, type ValueCheck } from "./compile-schema.ts";

export type CompiledSchema = {
  /** The revision that set the schema; 0 where the key has none. */
  readonly revision: number;
  readonly check: ValueCheck;
};

const NO_SCHEMA: CompiledSchema = { revision: 0, check: () => [] };

// Counted in characters of schema text, of which a compiled schema takes some ten times as many bytes.
const compiled = new LRUCache<string, CompiledSchema>({ max: 5_000, maxSize: 2 * 1024 * 1024 });

const cacheKey = (namespace: string, key: string) => JSON.stringify([namespace, key]);

/** What is known of the key's schema. */
export function knownSchema(namespace: string, key: string): CompiledSchema {
  return compiled.get(cacheKey(namespace, key)) ?? NO_SCHEMA;
}

/** Takes the store's word for what the key's schema is now. */
export function learnSchema(namespace: string, key: string, stored: StoredSchema | null): CompiledSchema {
  const name = cacheKey(namespace, key);
  if (stored === null) {
    compiled.delete(name);
    return NO_SCHEMA;
  }
  const known = compiled.get(name);
  if (known?.revision === stored.revision) return known;
  const schema = { revision: stored.revision, check: compileSchema(JSON.parse(stored.schema)) };
  compiled.set(name, schema, { size: stored.schema.length });
  return schema;
}
