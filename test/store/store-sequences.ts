// Random sequences of everything a store can be asked, each compared with the model.

import fc from "fast-check";
import { expect, it } from "vitest";
import { ALL_KEYS, type Idempotency, type Operation, type Store } from "../../worker/store/store.ts";
import { StoreModel } from "./store-model.ts";

const SEQUENCES = 10_000;
/** Namespaces in which sequences run at the same time. */
const LANES = 8;

const key = fc.constantFrom("a", "b");
const watchable = fc.constantFrom("a", "b", ALL_KEYS);
const token = fc.constantFrom("first", "second");
const text = fc.oneof(
  fc.constantFrom("", "\0", "123", "null", "OK", "true", " ", "0 0 0 0", "a\r\nb", "😀", "\u2028\ufffd\uffff"),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const id = fc.constantFrom("1", "2");
const operation = fc.oneof(
  // `current` says whether the caller knows the key's schema.
  { weight: 4, arbitrary: fc.record({ op: fc.constant("set" as const), key, value: text, current: fc.boolean() }) },
  fc.record({ op: fc.constant("set" as const), key, value: text, current: fc.constant(true) }),
  fc.record({ op: fc.constant("delete" as const), key }),
  fc.record({ op: fc.constant("schema_set" as const), key, schema: text }),
  fc.record({ op: fc.constant("schema_delete" as const), key }),
);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      call: fc.constant("write" as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 3 }),
      id: fc.option(id, { nil: undefined }),
    }),
  },
  fc.record({ call: fc.constantFrom("repeat" as const, "recall" as const), id, reused: fc.boolean() }),
  fc.record({ call: fc.constantFrom("watch" as const, "unwatch" as const), key: watchable, token }),
  fc.record({ call: fc.constant("readEntry" as const), key }),
  fc.record({ call: fc.constant("readSchema" as const), key }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Registers the test, within a `describe` of the engine. */
export function storeSequences(store: Store): void {
  it(`does what a simple model does in ${SEQUENCES} random sequences of calls`, { timeout: 600_000 }, async () => {
    await Promise.all(Array.from({ length: LANES }, () => runLane(store)));
  });
}

async function runLane(store: Store): Promise<void> {
  let namespace = "";
  /** Where it stands; unknown before the first sequence. */
  let revision: number | undefined;
  const sequence = async (steps: readonly Step[]) => {
    if (revision === undefined) {
      namespace = crypto.randomUUID();
      revision = await store.watch(namespace, ALL_KEYS, "begin");
      await store.unwatch(namespace, ALL_KEYS, "begin");
    }
    const model = new StoreModel(revision);
    const run = new Run(store, model, namespace);
    try {
      for (const step of steps) await run.compare(step);
      await run.compareAll();
      revision = model.revision;
    } catch (error) {
      // The model no longer knows where this namespace stands.
      revision = undefined;
      throw error;
    }
  };
  const steps = fc.array(step, { minLength: 1, maxLength: 8 });
  await fc.assert(fc.asyncProperty(steps, sequence), { numRuns: SEQUENCES / LANES });
}

/** One sequence. Its keys and ids are its own, so that it knows nothing of those before it but the revision. */
class Run {
  readonly #name = crypto.randomUUID();
  readonly #store: Store;
  readonly #model: StoreModel;
  readonly #namespace: string;
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
        const operations = step.operations.map((operation): Operation => {
          const key = this.#own(operation.key);
          if (operation.op !== "set") return { ...operation, key };
          const { op, value, current } = operation;
          return { op, key, value, schemaRevision: current ? (model.schema(key)?.revision ?? 0) : 1 };
        });
        if (step.id === undefined) return this.#compareWrite(operations);
        const fingerprint = encodeURIComponent(JSON.stringify(operations));
        const idempotency = { id: this.#own(step.id), fingerprint };
        this.#repeatable.set(step.id, { operations, idempotency });
        return this.#compareWrite(operations, idempotency);
      }
      case "repeat": {
        const write = this.#repeatable.get(step.id);
        if (!write) return;
        return this.#compareWrite(
          write.operations,
          step.reused ? { ...write.idempotency, fingerprint: "another" } : write.idempotency,
        );
      }
      case "recall": {
        const write = this.#repeatable.get(step.id);
        const idempotency = write?.idempotency ?? { id: this.#own(step.id), fingerprint: "none" };
        expect(await store.recall(namespace, write?.operations ?? [], idempotency)).toEqual(model.recall(idempotency));
        return;
      }
      case "watch": {
        const key = step.key === ALL_KEYS ? ALL_KEYS : this.#own(step.key);
        expect(await store.watch(namespace, key, step.token)).toBe(model.watch(key, step.token));
        return;
      }
      case "unwatch": {
        const key = step.key === ALL_KEYS ? ALL_KEYS : this.#own(step.key);
        await store.unwatch(namespace, key, step.token);
        return model.unwatch(key, step.token);
      }
      case "readEntry": {
        const key = this.#own(step.key);
        expect(await store.readEntry(namespace, key)).toEqual(model.entry(key));
        return;
      }
      case "readSchema": {
        const key = this.#own(step.key);
        expect(await store.readSchema(namespace, key)).toEqual(model.schema(key));
        return;
      }
    }
  }

  /** Everything that is left of the sequence. */
  async compareAll(): Promise<void> {
    const [store, model, namespace] = [this.#store, this.#model, this.#namespace];
    const keys = ["a", "b"].map((name) => this.#own(name));
    for (const key of keys) {
      const changes = model.log(key);
      // 0 is before the namespace began to count.
      expect(await store.readLog(namespace, key, 0)).toEqual({
        changes,
        more: false,
        truncated: true,
        head: model.revision,
      });
      expect(await store.readHistory(namespace, key, Number.MAX_SAFE_INTEGER, 3)).toEqual(
        changes.toReversed().slice(0, 3),
      );
    }
    const { entries } = await store.readEntries(namespace, this.#own(""));
    expect(entries.filter(({ key }) => keys.includes(key))).toEqual(
      keys
        .map((key) => ({ key, entry: model.entry(key), schema: model.schema(key) }))
        .filter(({ entry, schema }) => entry || schema),
    );
    const watcher = model.watcher(ALL_KEYS);
    if (watcher !== null) await store.unwatch(namespace, ALL_KEYS, watcher);
  }

  async #compareWrite(operations: readonly Operation[], idempotency?: Idempotency): Promise<void> {
    const outcome = await this.#store.write(this.#namespace, operations, idempotency);
    expect(outcome).toEqual(this.#model.write(operations, idempotency, outcome));
  }

  #own(name: string): string {
    return `${this.#name}:${name}`;
  }
}
