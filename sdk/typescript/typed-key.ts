// A key with a type. The client checks a write before it sends it, and memX checks every write against the same schema.
// So a value that is read has the type, unless it is older than the schema.

import { ConflictError, InvalidRequestError, SchemaChangedError } from "./errors.ts";
import type { ChangeEvent, ValueEvent } from "./events.ts";
import type { MemX } from "./memx.ts";
import { refuseUnknown } from "./refuse-unknown.ts";
import { withSignal } from "./signals.ts";
import { type JsonSchemaSource, toJsonSchema, validate } from "./standard-schema.ts";
import type { Subscription } from "./subscription.ts";
import type * as t from "./types.ts";
import { type Change, updateValue } from "./update.ts";

/** Options of `MemX.key`. */
export type TypedKeyOptions = {
  /**
   * What the first write does if the key has another schema in memX, set by somebody else.
   *
   * - `"throw"`: it rejects with a `SchemaChangedError`, and writes nothing.
   * - `"replace"`: it sets this key's schema. In a rolling deploy, the process that starts last wins.
   * - `"keep"`: it leaves the schema in memX. Values must then match both.
   *
   * Two schemas are the same if they are equal as JSON, in any order of members. A schema was set by somebody else unless
   * its revision is that of the last schema that this `MemX` object set for the key, with a typed key or `setSchema`. So a
   * process that has started again counts as somebody else.
   *
   * @default "throw"
   */
  readonly onSchemaChange?: "throw" | "replace" | "keep";
};

const ON_SCHEMA_CHANGE: readonly string[] = ["throw", "replace", "keep"];

/** So many other clients in a row have set the schema between reading and setting it. */
const MAX_ATTEMPTS = 10;

/** A key whose values have the type of a schema. */
export class TypedKey<In, Out> {
  readonly name: string;
  readonly #memx: MemX;
  readonly #schema: JsonSchemaSource<In, Out>;
  readonly #onSchemaChange: NonNullable<TypedKeyOptions["onSchemaChange"]>;
  readonly #isOwn: (schemaRevision: number) => boolean;
  #registered: Promise<void> | undefined;

  /** @param isOwn whether the client itself has set the key's schema of this revision */
  constructor(
    memx: MemX,
    name: string,
    schema: JsonSchemaSource<In, Out>,
    { onSchemaChange = "throw", ...unknown }: TypedKeyOptions,
    isOwn: (schemaRevision: number) => boolean,
  ) {
    refuseUnknown(unknown);
    if (!ON_SCHEMA_CHANGE.includes(onSchemaChange)) {
      const message = `\`onSchemaChange\` must be ${ON_SCHEMA_CHANGE.join(", ")}.`;
      throw new InvalidRequestError("invalid_request", message, { key: name });
    }
    this.#memx = memx;
    this.name = name;
    this.#schema = schema;
    this.#onSchemaChange = onSchemaChange;
    this.#isOwn = isOwn;
  }

  /**
   * Sets the key's JSON Schema in memX, unless memX already has it. The first write also does this. A `signal` ends the
   * waiting of its caller only.
   *
   * @throws {SchemaChangedError} if the key has another schema in memX: see `onSchemaChange`
   */
  async register({ signal, ...unknown }: t.CallOptions = {}): Promise<void> {
    refuseUnknown(unknown);
    signal?.throwIfAborted();
    // All callers share it, so it has the signal of none.
    this.#registered ??= this.#register().catch((error) => {
      this.#registered = undefined;
      throw error;
    });
    return withSignal(this.#registered, signal);
  }

  /**
   * Writes the library's output for a value.
   *
   * @throws {SchemaViolationError} before sending, if the value does not match
   * @throws {SchemaChangedError} if the key has another schema in memX: see `onSchemaChange`
   */
  async set(value: In, options: t.SetOptions = {}): Promise<t.Written> {
    const checked = await validate(this.#schema, value, this.name);
    await this.register({ signal: options.signal });
    return this.#memx.set(this.name, checked, options);
  }

  get(options: t.CallOptions = {}): Promise<t.Entry<Out> | null> {
    return this.#memx.get<Out>(this.name, options);
  }

  delete(options: t.ExpectOptions = {}): Promise<t.Deleted> {
    return this.#memx.delete(this.name, options);
  }

  /** Like `MemX.update`. */
  async update(change: Change<Out, In>, options: t.UpdateOptions = {}): Promise<t.Entry<Out> | null> {
    await this.register({ signal: options.signal });
    const checked: Change<Out> = async (value, entry) => {
      const next = await change(value, entry);
      return next === undefined ? undefined : validate(this.#schema, next, this.name);
    };
    return updateValue<Out>(this.#memx, this.name, checked, options);
  }

  /** Like `MemX.subscribe`. */
  subscribe(
    listener: (event: ValueEvent<Out>) => unknown,
    options?: Omit<t.SubscribeOptions, "event">,
  ): Subscription<ValueEvent<Out>>;
  subscribe(options?: Omit<t.SubscribeOptions, "event">): Subscription<ValueEvent<Out>>;
  subscribe(...rest: never[]): Subscription<ValueEvent<Out>> {
    return this.#memx.subscribe<Out>(this.name, ...rest);
  }

  /** Reads the key's changes, newest first. */
  history(options: t.HistoryOptions = {}): AsyncIterableIterator<ChangeEvent<Out>, undefined> {
    return this.#memx.history<Out>(this.name, options);
  }

  async #register(): Promise<void> {
    const schema = toJsonSchema(this.#schema, this.name);
    for (let attempt = 1; ; attempt++) {
      const stored = await this.#memx.getSchema(this.name);
      if (stored && isSame(stored.schema, schema)) return;
      if (stored && !this.#isOwn(stored.revision)) {
        if (this.#onSchemaChange === "keep") return;
        if (this.#onSchemaChange === "throw") throw schemaChanged(stored);
      }
      try {
        await this.#memx.setSchema(this.name, schema, { expect: stored?.revision ?? 0 });
        return;
      } catch (error) {
        // Another client set it meanwhile.
        if (!(error instanceof ConflictError) || attempt >= MAX_ATTEMPTS) throw error;
      }
    }
  }
}

function schemaChanged(stored: t.StoredSchema): SchemaChangedError {
  const message = `The key ${stored.key} has another schema in memX, which this client did not set. Nothing was written. \
Pass { onSchemaChange: "replace" } to memx.key() to replace the schema, or "keep" to write values that match both.`;
  return new SchemaChangedError(message, stored);
}

/** Compares as JSON: the order of members does not matter. */
function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(json: unknown): string {
  return JSON.stringify(json, (_, value) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)))
      : value,
  );
}
