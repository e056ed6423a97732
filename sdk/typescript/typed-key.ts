// A key with a type. The client checks a write before it sends it, and memX checks every write against the same schema.
// So a value that is read has the type, unless it is older than the schema.

import type { ChangeEvent, ValueEvent } from "./events.ts";
import type { MemX } from "./memx.ts";
import { type JsonSchemaSource, toJsonSchema, validate } from "./standard-schema.ts";
import type { Subscription } from "./subscription.ts";
import type * as t from "./types.ts";
import { type Change, updateValue } from "./update.ts";

/** A key whose values have the type of a schema. */
export class TypedKey<In, Out> {
  readonly name: string;
  readonly #memx: MemX;
  readonly #schema: JsonSchemaSource<In, Out>;
  #registered: Promise<void> | undefined;

  constructor(memx: MemX, name: string, schema: JsonSchemaSource<In, Out>) {
    this.#memx = memx;
    this.name = name;
    this.#schema = schema;
  }

  /** Sets the key's JSON Schema in memX, unless memX already has it. The first write also does this. */
  register(options: t.CallOptions = {}): Promise<void> {
    this.#registered ??= this.#register(options).catch((error) => {
      this.#registered = undefined;
      throw error;
    });
    return this.#registered;
  }

  /**
   * Writes the library's output for a value.
   *
   * @throws {SchemaViolationError} before sending, if the value does not match
   */
  async set(value: In, options: t.SetOptions = {}): Promise<t.Written> {
    const checked = await validate(this.#schema, value, this.name);
    await this.register(options);
    return this.#memx.set(this.name, checked, options);
  }

  get(options: t.CallOptions = {}): Promise<t.Entry<Out> | null> {
    return this.#memx.get<Out>(this.name, options);
  }

  delete(options: t.ExpectOptions = {}): Promise<t.Deleted> {
    return this.#memx.delete(this.name, options);
  }

  /** Like `MemX.update`. */
  async update(change: Change<Out, In>, options: t.PatchOptions = {}): Promise<t.Entry<Out> | null> {
    await this.register(options);
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

  async #register({ signal }: t.CallOptions): Promise<void> {
    const schema = toJsonSchema(this.#schema, this.name);
    const stored = await this.#memx.getSchema(this.name, { signal });
    if (stored && isSame(stored.schema, schema)) return;
    await this.#memx.setSchema(this.name, schema, { signal });
  }
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
