// A key with a type. Writes are checked here before they are sent, and by memX, which has the schema too: so what is read
// has the type, whoever wrote it, unless it was there before the schema.

import type { ChangeEvent, ValueEvent } from "./events.ts";
import type { MemX } from "./memx.ts";
import { type JsonSchemaSource, toJsonSchema, validate } from "./standard-schema.ts";
import type { Subscription } from "./subscription.ts";
import type * as t from "./types.ts";
import { type Change, updateValue } from "./update.ts";

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

  /** Sets the key's JSON Schema in memX, unless it is there already. The first write does so by itself. */
  register(options: t.CallOptions = {}): Promise<void> {
    this.#registered ??= this.#register(options).catch((error) => {
      this.#registered = undefined;
      throw error;
    });
    return this.#registered;
  }

  /** @throws {SchemaViolationError} before anything is sent */
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

  /** As `MemX.update`. */
  async update(change: Change<Out, In>, options: t.PatchOptions = {}): Promise<t.Entry<Out> | null> {
    await this.register(options);
    const checked: Change<Out> = async (value, entry) => {
      const next = await change(value, entry);
      return next === undefined ? undefined : validate(this.#schema, next, this.name);
    };
    return updateValue<Out>(this.#memx, this.name, checked, options);
  }

  /** As `MemX.subscribe`. */
  subscribe(
    listener: (event: ValueEvent<Out>) => unknown,
    options?: Omit<t.SubscribeOptions, "event">,
  ): Subscription<ValueEvent<Out>>;
  subscribe(options?: Omit<t.SubscribeOptions, "event">): Subscription<ValueEvent<Out>>;
  subscribe(...rest: never[]): Subscription<ValueEvent<Out>> {
    return this.#memx.subscribe<Out>(this.name, ...rest);
  }

  /** What happened to the value, newest first. */
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

/** As JSON: the order of members does not count. */
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
