// Random sequences of all calls of a store, each compared with the model.

import { expect, it } from "vitest";
import { entryOf } from "../../memory/store/entry-read.ts";
import { ALL_KEYS, type Idempotency, type Operation, type Store, type WriteOptions } from "../../memory/store/store.ts";
import { amount } from "../support/long-runs.ts";
import fc from "../support/properties.ts";
import { StoreModel } from "../support/store-model.ts";

/** Namespaces in which sequences run concurrently. */
const LANES = 8;
const SEQUENCES = LANES * amount(40, 1_250);
/** Sequences after which a lane starts a new namespace, because each sequence reads the whole log. */
const NAMESPACE_SEQUENCES = 50;

const key = fc.constantFrom("a", "b");
const watchable = fc.constantFrom("a", "b", ALL_KEYS);
const token = fc.constantFrom("channel.first", "channel.second");
const text = fc.oneof(
  fc.constantFrom("", "\0", "123", "null", "OK", "true", " ", "0 0 0 0", "a\r\nb", "😀", "\u2028\ufffd\uffff"),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const id = fc.constantFrom("1", "2");
/** The names that writers give themselves: visible ASCII characters, and spaces inside. */
const by = fc.option(fc.constantFrom("ada", '1 2  3,"\\', "0", "~".repeat(64)), { nil: undefined });
/** Values with the short ttl get the time to expire before the next step. Values with the long one outlive the test. */
const SHORT_TTL = 0.001;
const SHORT_MS = 3;
const LONG_TTL = 1_000;

const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
/** The caller's `expect`: the current revision, 0 for no value, or a revision that never was. */
const expectation = rarely(fc.constantFrom("current" as const, 0, 1));
const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant("set" as const),
      key,
      value: text,
      // Whether the caller knows the key's current schema.
      knowsSchema: fc.oneof({ weight: 7, arbitrary: fc.constant(true) }, fc.constant(false)),
      expect: expectation,
      ts: rarely(fc.constantFrom("past" as const, "same" as const, "soon" as const, "far" as const)),
      ttl: rarely(fc.constantFrom(SHORT_TTL, SHORT_TTL, LONG_TTL, "keep" as const)),
    }),
  },
  fc.record({ op: fc.constantFrom("delete" as const, "schema_delete" as const), key, expect: expectation }),
  fc.record({ op: fc.constant("check" as const), key, expect: expectation }),
  fc.record({ op: fc.constant("schema_set" as const), key, schema: text, expect: expectation }),
);
type Asked = typeof operation extends fc.Arbitrary<infer O> ? O : never;
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      call: fc.constant("write" as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 3 }),
      id: fc.option(id, { nil: undefined }),
      by,
    }),
  },
  fc.record({ call: fc.constantFrom("repeat" as const, "recall" as const), id, reused: fc.boolean(), by }),
  fc.record({ call: fc.constantFrom("watch" as const, "unwatch" as const), key: watchable, token }),
  fc.record({ call: fc.constant("readEntry" as const), key }),
  fc.record({ call: fc.constant("readMany" as const), keys: fc.array(fc.constantFrom("a", "b", "never written")) }),
  fc.record({ call: fc.constant("readSchema" as const), key }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Registers the test, inside a `describe` of the engine. */
export function storeSequences(store: Store, keepFromSweeping: (namespace: string) => Promise<void>): void {
  it(`agrees with a simple model in ${SEQUENCES} random sequences of calls`, { tags: ["long"] }, async () => {
    await Promise.all(Array.from({ length: LANES }, () => runLane(store, keepFromSweeping)));
  });
}

async function runLane(store: Store, keepFromSweeping: (namespace: string) => Promise<void>): Promise<void> {
  let namespace = "";
  /** The revision of the namespace; unknown before the first sequence. */
  let revision: number | undefined;
  let count = 0;
  const sequence = async (steps: readonly Step[]) => {
    if (revision === undefined || count++ % NAMESPACE_SEQUENCES === 0) {
      namespace = crypto.randomUUID();
      // A sweep would make changes at times that the model does not know.
      await keepFromSweeping(namespace);
      revision = (await store.watch(namespace, ALL_KEYS, "begin")).head;
      await store.unwatch(namespace, ALL_KEYS, "begin");
    }
    const model = new StoreModel(revision);
    const run = new Run(store, model, namespace);
    try {
      for (const step of steps) await run.compare(step);
      await run.compareAll();
      revision = model.revision;
    } catch (error) {
      // The model no longer knows the revision of this namespace.
      revision = undefined;
      throw error;
    }
  };
  const steps = fc.array(step, { minLength: 1, maxLength: 8 });
  await fc.assert(fc.asyncProperty(steps, sequence), { numRuns: SEQUENCES / LANES });
}

/** One sequence. It has its own keys and ids, so only the revision connects it to earlier sequences. */
class Run {
  readonly #name = crypto.randomUUID();
  readonly #store: Store;
  readonly #model: StoreModel;
  readonly #namespace: string;
  #soon = 0;
  readonly #repeatable = new Map<string, { operations: readonly Operation[]; idempotency: Idempotency }>();

  constructor(store: Store, model: StoreModel, namespace: string) {
    this.#store = store;
    this.#model = model;
    this.#namespace = namespace;
  }

  async compare(step: Step): Promise<void> {
    const [store, model, namespace] = [this.#store, this.#model, this.#namespace];
    switch (step.call) {
      case "write": {
        const operations = step.operations.map((operation) => this.#operation(operation));
        const { by } = step;
        if (step.id === undefined) return this.#compareWrite(operations, { by });
        const fingerprint = encodeURIComponent(JSON.stringify(operations));
        const idempotency = { id: this.#own(step.id), fingerprint };
        this.#repeatable.set(step.id, { operations, idempotency });
        return this.#compareWrite(operations, { idempotency, by });
      }
      case "repeat": {
        const write = this.#repeatable.get(step.id);
        if (!write) return;
        const idempotency = step.reused ? { ...write.idempotency, fingerprint: "another" } : write.idempotency;
        return this.#compareWrite(write.operations, { idempotency, by: step.by });
      }
      case "recall": {
        const write = this.#repeatable.get(step.id);
        const idempotency = write?.idempotency ?? { id: this.#own(step.id), fingerprint: "none" };
        expect(await store.recall(namespace, write?.operations ?? [], idempotency)).toEqual(model.recall(idempotency));
        return;
      }
      case "watch": {
        const key = step.key === ALL_KEYS ? ALL_KEYS : this.#own(step.key);
        expect((await store.watch(namespace, key, step.token)).head).toBe(model.watch(key, step.token));
        return;
      }
      case "unwatch": {
        const key = step.key === ALL_KEYS ? ALL_KEYS : this.#own(step.key);
        await store.unwatch(namespace, key, step.token);
        return model.unwatch(key, step.token);
      }
      case "readEntry": {
        const key = this.#own(step.key);
        const read = await store.readEntry(namespace, key);
        expect(entryOf(read)).toEqual(model.entry(key));
        expect(read.head).toBe(model.revision);
        return;
      }
      case "readMany": {
        const keys = step.keys.map((key) => this.#own(key));
        expect(await store.readMany(namespace, keys)).toEqual({
          outcome: "read",
          entries: keys.map((key) => model.entry(key)),
          head: model.revision,
        });
        return;
      }
      case "readSchema": {
        const key = this.#own(step.key);
        expect(await store.readSchema(namespace, key)).toEqual({ schema: model.schema(key), head: model.revision });
        return;
      }
    }
  }

  /** Compares everything that the sequence has left in the store. */
  async compareAll(): Promise<void> {
    const [store, model, namespace] = [this.#store, this.#model, this.#namespace];
    const keys = ["a", "b"].map((name) => this.#own(name));
    const { keys: listed, head } = await store.readKeys(namespace, {
      prefix: this.#own(""),
      after: "",
      limit: 10,
      values: true,
    });
    expect(listed).toEqual(model.listed(keys));
    expect(head).toBe(model.revision);
    for (const key of keys) {
      // Reading the history turns an expired value into a change.
      const read = await store.readHistory(namespace, key, Number.MAX_SAFE_INTEGER, 1_000);
      const history = read.changes;
      model.settle(key);
      expect(read.head).toBe(model.revision);
      model.adoptExpiries(history);
      expect(history).toEqual(model.log(key).toReversed());
    }
    for (const key of keys) {
      // 0 is before the namespace began to count.
      expect(await store.readLog(namespace, key, 0)).toEqual({
        changes: model.log(key),
        more: false,
        truncated: true,
        head: model.revision,
      });
    }
    const { names } = await store.readNames(namespace, this.#own(""));
    const named = names.map(({ key }) => key).filter((key) => keys.includes(key));
    expect(await store.readEntries(namespace, named)).toEqual(
      keys
        .map((key) => ({ key, entry: model.entry(key), schema: model.schema(key) }))
        .filter(({ entry, schema }) => entry || schema),
    );
    const scanned = await store.scanLog(namespace, model.revision - 20);
    const changes = await store.readChanges(
      namespace,
      scanned.changes.map(({ revision }) => revision),
    );
    const slice = await store.readLog(namespace, ALL_KEYS, model.revision - 20);
    expect(changes).toEqual(slice.changes);
    expect(scanned).toEqual({
      ...slice,
      changes: slice.changes.map(({ revision, key, event }) => ({ revision, key, event })),
    });
    const watcher = model.watcher(ALL_KEYS);
    if (watcher !== null) await store.unwatch(namespace, ALL_KEYS, watcher);
  }

  async #compareWrite(operations: readonly Operation[], options: WriteOptions): Promise<void> {
    const outcome = await this.#store.write(this.#namespace, operations, options);
    expect(outcome).toEqual(this.#model.write(operations, options, outcome));
    if (!operations.some((operation) => operation.op === "set" && operation.ttl === SHORT_TTL)) return;
    await scheduler.wait(SHORT_MS);
    this.#model.pass(SHORT_TTL);
  }

  #operation(asked: Asked): Operation {
    const key = this.#own(asked.key);
    const schemaRevision = this.#model.schema(key)?.revision ?? 0;
    const currentRevision =
      asked.op === "schema_set" || asked.op === "schema_delete" ? schemaRevision : this.#model.entry(key)?.revision;
    const expect = asked.expect === "current" ? (currentRevision ?? 0) : asked.expect;
    if (asked.op !== "set") return { ...asked, key, expect };
    const { op, value, knowsSchema, ttl } = asked;
    return {
      op,
      key,
      value,
      schemaRevision: knowsSchema ? schemaRevision : 1,
      expect,
      ttl,
      ts: this.#time(key, asked.ts),
    };
  }

  #time(key: string, asked: "past" | "same" | "soon" | "far" | undefined): number | undefined {
    switch (asked) {
      case "past":
        return 1;
      case "same":
        return this.#model.entry(key)?.ts;
      case "soon":
        // Each is later than the one before, and none is so far ahead that the store refuses it.
        return Math.round((Date.now() / 1000 + 30 + this.#soon++ * 0.01) * 1e6) / 1e6;
      case "far":
        return Math.round(Date.now() / 1000 + 120);
      default:
        return undefined;
    }
  }

  #own(name: string): string {
    return `${this.#name}:${name}`;
  }
}
