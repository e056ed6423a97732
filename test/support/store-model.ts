// A simple model of a store, in memory: the property test compares every engine with it. Times come from the store, so
// the model checks their order and adopts them.

import { expect } from "vitest";
import {
  ALL_KEYS,
  type AppliedVersion,
  appliedChanges,
  type Entry,
  type Idempotency,
  type ListedKey,
  type Operation,
  type OperationResult,
  type StoredSchema,
  type Unchanged,
  type WriteOptions,
  type WriteOutcome,
} from "../../memory/store/store.ts";
import type { Change, CurrentText } from "../../sdk/protocol.ts";

type Key = {
  last: number;
  /** When the value was last set, deleted or expired; `null` if only the store knows. It is not before `notBefore`. */
  ts: number | null;
  notBefore: number;
  value: CurrentText | null;
  schema: CurrentText | null;
  watcher: string | null;
  /** The value's time to live, the turn in which it got that, and when it expires; `null` for none. */
  expiry: { readonly ttl: number; readonly turn: number; readonly expires: number } | null;
  over: boolean;
};

type Remembered = {
  readonly fingerprint: string;
  readonly outcome: WriteOutcome;
};

export class StoreModel {
  revision: number;
  readonly #keys = new Map<string, Key>();
  readonly #log: Change[] = [];
  readonly #writes = new Map<string, Remembered>();
  #turn = 0;

  constructor(revision: number) {
    this.revision = revision;
  }

  /** The expected outcome of the write. From the store's own outcome `actual`, it adopts only the times. */
  write(operations: readonly Operation[], { idempotency, by }: WriteOptions, actual: WriteOutcome): WriteOutcome {
    const earlier = idempotency && this.recall(idempotency);
    if (earlier) return earlier;
    this.#turn++;
    const refused = this.#refused(operations);
    if (refused) return refused;
    const times = actual.outcome === "applied" ? actual.results.map(timesOf) : [];
    const results = operations.map((operation, index) => this.#apply(operation, times[index] ?? { ts: 0 }, by));
    const outcome = appliedChanges(operations, { outcome: "applied", results, by });
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
    if (!value) return null;
    const { text, ...version } = value;
    return { value: text, ...version };
  }

  schema(key: string): StoredSchema | null {
    const { schema } = this.#key(key);
    return schema && { schema: schema.text, ts: schema.ts, revision: schema.revision, by: schema.by };
  }

  listed(keys: readonly string[]): ListedKey[] {
    return keys.flatMap((key) => {
      const entry = this.entry(key);
      return entry ? [{ key, ...entry }] : [];
    });
  }

  log(key: string): Change[] {
    return this.#log.filter((change) => change.key === key);
  }

  /** Adopts the times of expiries from the store, because only the store knows when a value's time to live started. */
  adoptExpiries(changes: readonly Change[]): void {
    for (const [index, change] of this.#log.entries()) {
      const actual = changes.find(({ revision }) => revision === change.revision);
      if (change.action !== "expire" || !actual) continue;
      expect(actual.ts).toBeGreaterThan(change.ts);
      this.#log[index] = { ...change, ts: actual.ts };
    }
  }

  watch(key: string, token: string): number {
    if (key === ALL_KEYS) {
      const over = [...this.#keys].filter(([, { over }]) => over);
      over.sort(([a, x], [b, y]) => (x.expiry?.turn ?? 0) - (y.expiry?.turn ?? 0) || (a < b ? -1 : 1));
      for (const [name] of over) this.settle(name);
    } else this.settle(key);
    this.#key(key).watcher = token;
    return this.revision;
  }

  watcher(key: string): string | null {
    return this.#key(key).watcher;
  }

  unwatch(key: string, token: string): void {
    if (this.#key(key).watcher === token) this.#key(key).watcher = null;
  }

  /** Lets time pass. */
  pass(seconds: number): void {
    for (const key of this.#keys.values()) {
      if (!key.value || !key.expiry || key.expiry.ttl > seconds) continue;
      // The value expires at a time later than its own.
      Object.assign(key, { value: null, over: true, ts: null, notBefore: key.value.ts });
    }
  }

  /** Turns an expired value into a change. */
  settle(name: string): void {
    const key = this.#key(name);
    if (!key.over) return;
    const version = { revision: ++this.revision, previous: key.last, ts: key.notBefore };
    this.#log.push({ event: "value", action: "expire", key: name, json: null, ...version });
    Object.assign(key, { over: false, expiry: null, last: version.revision });
  }

  #key(name: string): Key {
    const absent = {
      last: 0,
      ts: 0,
      notBefore: 0,
      value: null,
      schema: null,
      watcher: null,
      expiry: null,
      over: false,
    };
    const key: Key = this.#keys.get(name) ?? absent;
    this.#keys.set(name, key);
    return key;
  }

  #current({ op, key }: Operation): CurrentText | null {
    return op === "schema_set" || op === "schema_delete" ? this.#key(key).schema : this.#key(key).value;
  }

  #refused(operations: readonly Operation[]): WriteOutcome | undefined {
    for (const [index, operation] of operations.entries()) {
      const current = this.#current(operation);
      if (operation.expect !== undefined && operation.expect !== (current?.revision ?? 0)) {
        return { outcome: "conflict", operation: index, current, head: this.revision };
      }
      if (operation.op === "set" && (operation.ts ?? 0) > Date.now() / 1000 + 65) {
        return { outcome: "ts_ahead", operation: index };
      }
    }
    const stale = operations.filter(
      (operation) => operation.op === "set" && operation.schemaRevision !== (this.schema(operation.key)?.revision ?? 0),
    );
    const schemas = [...new Set(stale.map(({ key }) => key))].map((key) => ({ key, schema: this.schema(key) }));
    return schemas.length > 0 ? { outcome: "schema_changed", schemas } : undefined;
  }

  #apply(operation: Operation, { ts, expires }: Times, by: string | undefined): AppliedVersion | Unchanged {
    const key = this.#key(operation.key);
    const ofValue = operation.op === "set" || operation.op === "delete";
    const superseded =
      operation.op === "set" && operation.ts !== undefined && operation.ts <= (key.ts ?? key.notBefore);
    const nothing = operation.op !== "set" && operation.op !== "schema_set" && !this.#current(operation);
    if (operation.op === "check" || superseded || nothing) {
      if (key.ts === null) {
        expect(ts).toBeGreaterThan(key.notBefore);
        key.ts = ts;
      }
      return { change: null, revision: this.#current(operation)?.revision ?? 0, ts: key.ts };
    }
    if (operation.op === "set") this.settle(operation.key);
    const revision = ++this.revision;
    const watches = { watched: key.watcher !== null, namespaceWatched: this.watcher(ALL_KEYS) !== null };
    let version: AppliedVersion = { revision, previous: key.last, ts, ...watches };
    key.last = revision;
    const kept = key.expiry;
    if (ofValue) {
      expect(ts).toBeGreaterThan(key.ts ?? key.notBefore);
      if (operation.op === "set" && operation.ts !== undefined) expect(ts).toBe(operation.ts);
      Object.assign(key, { ts, expiry: null });
    }
    switch (operation.op) {
      case "set": {
        if (operation.ttl === "keep") key.expiry = kept;
        else if (operation.ttl !== undefined) key.expiry = this.#expiry(operation.ttl, expires);
        const details = { created: key.value ? key.value.created : ts, expires: key.expiry?.expires };
        version = { ...version, ...details };
        key.value = { text: operation.value, ts, revision, ...details, by };
        break;
      }
      case "delete":
        key.value = null;
        break;
      case "schema_set":
        key.schema = { text: operation.schema, ts, revision, by };
        break;
      case "schema_delete":
        key.schema = null;
        break;
    }
    const [applied] = appliedChanges([operation], { outcome: "applied", results: [version], by }).results;
    if (applied?.change) this.#log.push(applied.change);
    return version;
  }

  /** Adopts the time of expiry if it fits the store's clock, which is that of the test, more or less. */
  #expiry(ttl: number, expires = 0): Key["expiry"] {
    expect(Math.abs(Date.now() / 1000 + ttl - expires)).toBeLessThan(60);
    return { ttl, turn: this.#turn, expires };
  }
}

type Times = { readonly ts: number; readonly expires?: number | undefined };

function timesOf(result: OperationResult): Times {
  return result.change ?? result;
}
