// What a store should do, in memory and as plainly as can be: the measure for the property test of every engine.
// Times are the store's own, so they are checked for order and taken over.

import { expect } from "vitest";
import type { Change } from "../../sdk/protocol.ts";
import {
  ALL_KEYS,
  appliedChanges,
  type Entry,
  type Idempotency,
  type Operation,
  type StoredSchema,
  type WriteOutcome,
} from "../../worker/store/store.ts";

type Held = { readonly text: string; readonly revision: number; readonly ts: number };
type Key = { last: number; lastTs: number; value: Held | null; schema: Held | null; watcher: string | null };

type Remembered = {
  readonly fingerprint: string;
  readonly outcome: WriteOutcome;
};

export class StoreModel {
  revision: number;
  readonly #keys = new Map<string, Key>();
  readonly #log: Change[] = [];
  readonly #writes = new Map<string, Remembered>();

  constructor(revision: number) {
    this.revision = revision;
  }

  /** What the write should come to, given that the store said `outcome`, of which only times are believed. */
  write(operations: readonly Operation[], idempotency: Idempotency | undefined, said: WriteOutcome): WriteOutcome {
    const earlier = idempotency && this.recall(idempotency);
    if (earlier) return earlier;
    for (const operation of operations) {
      if (operation.op !== "set") continue;
      if ((this.schema(operation.key)?.revision ?? 0) === operation.schemaRevision) continue;
      return {
        outcome: "schema_changed",
        key: operation.key,
        schema: this.schema(operation.key),
      };
    }
    const times = said.outcome === "applied" ? said.results.map((result) => result?.change.ts ?? 0) : [];
    const results = operations.map((operation, index) => this.#apply(operation, times[index] ?? 0));
    const outcome = appliedChanges(operations, { outcome: "applied", results });
    if (idempotency) this.#writes.set(idempotency.id, { ...idempotency, outcome });
    return outcome;
  }

  recall({ id, fingerprint }: Idempotency): WriteOutcome | null {
    const earlier = this.#writes.get(id);
    if (!earlier) return null;
    return earlier.fingerprint === fingerprint ? earlier.outcome : { outcome: "id_reused" };
  }

  entry(key: string): Entry | null {
    const { value } = this.#key(key);
    return value && { value: value.text, ts: value.ts, revision: value.revision };
  }

  schema(key: string): StoredSchema | null {
    const { schema } = this.#key(key);
    return schema && { schema: schema.text, ts: schema.ts, revision: schema.revision };
  }

  log(key: string): Change[] {
    return this.#log.filter((change) => change.key === key);
  }

  watch(key: string, token: string): number {
    this.#key(key).watcher = token;
    return this.revision;
  }

  watcher(key: string): string | null {
    return this.#key(key).watcher;
  }

  unwatch(key: string, token: string): void {
    if (this.#key(key).watcher === token) this.#key(key).watcher = null;
  }

  #key(name: string): Key {
    const key = this.#keys.get(name) ?? { last: 0, lastTs: 0, value: null, schema: null, watcher: null };
    this.#keys.set(name, key);
    return key;
  }

  #apply(operation: Operation, ts: number) {
    const key = this.#key(operation.key);
    if (operation.op === "delete" && !key.value) return null;
    if (operation.op === "schema_delete" && !key.schema) return null;
    const version = {
      revision: ++this.revision,
      previous: key.last,
      ts,
      watched: key.watcher !== null,
      namespaceWatched: this.watcher(ALL_KEYS) !== null,
    };
    key.last = version.revision;
    switch (operation.op) {
      case "set":
        key.value = { text: operation.value, ...version };
        break;
      case "delete":
        key.value = null;
        break;
      case "schema_set":
        key.schema = { text: operation.schema, ...version };
        break;
      case "schema_delete":
        key.schema = null;
        break;
    }
    if (operation.op === "set" || operation.op === "delete") {
      expect(ts).toBeGreaterThan(key.lastTs);
      key.lastTs = ts;
    }
    const [applied] = appliedChanges([operation], { outcome: "applied", results: [version] }).results;
    if (applied) this.#log.push(applied.change);
    return version;
  }
}
