// The client: every call of memX as a method, and live changes over one socket.

import { InvalidRequestError, NotFoundError } from "./errors.ts";
import type { ChangeEvent, ChangesPage, SchemaEvent, ValueEvent } from "./events.ts";
import { Feed } from "./feed.ts";
import { compileGlob, escapeKey } from "./glob.ts";
import { Http } from "./http.ts";
import { acquireLease, type Lease, type LeaseOptions } from "./lease.ts";
import { mergePatterns } from "./merge-patterns.ts";
import { type MemXOptions, readOptions } from "./options.ts";
import type { JsonSchemaSource } from "./standard-schema.ts";
import { type Source, Subscription } from "./subscription.ts";
import { TypedKey } from "./typed-key.ts";
import type * as t from "./types.ts";
import { type Change, updateValue } from "./update.ts";

/** What a subscription delivers, by its `event` option. */
type EventOf<O, T> = O extends { readonly event: "all" }
  ? ChangeEvent<T>
  : O extends { readonly event: "schema" }
    ? SchemaEvent
    : ValueEvent<T>;

/**
 * A client of memX.
 *
 * @example
 * const memx = new MemX({ apiKey: "local_dev_key" });
 * memx.subscribe("agent:goal", ({ value }) => console.log("new goal:", value));
 * await memx.set("agent:goal", { x: 1, y: 7 });
 */
export class MemX implements Disposable {
  readonly #http: Http;
  readonly #feed: Feed;
  readonly #closing = new AbortController();

  constructor(options: MemXOptions = {}) {
    const complete = readOptions(options);
    this.#http = new Http(complete);
    this.#feed = new Feed(this.#http, complete);
  }

  /** Writes a value. The last write wins, unless `expect` says what has to be there. */
  set(key: string, value: unknown, options: t.SetOptions = {}): Promise<t.Written> {
    const { expect, ttl, ts } = options;
    return this.#write("/set", key, { value, expect, ttl, ts }, options);
  }

  /** What the key holds, or `null` where it holds nothing. */
  get<T = unknown>(key: string, options: t.CallOptions = {}): Promise<t.Entry<T> | null> {
    return this.#http.send({ method: "GET", path: "/get", query: { key }, key, ...options });
  }

  /** `deleted` is `false` where it held nothing. */
  delete(key: string, options: t.ExpectOptions = {}): Promise<t.Deleted> {
    return this.#write("/delete", key, { expect: options.expect }, options);
  }

  /** Applies a JSON Patch (RFC 6902) to the value. */
  patch<T = unknown>(
    key: string,
    operations: readonly t.JsonPatchOperation[],
    options: t.PatchOptions = {},
  ): Promise<t.Patched<T>> {
    return this.#patch(key, { patch: operations }, options);
  }

  /** Merges into the value (RFC 7396): members are replaced, `null` removes one. */
  merge<T = unknown>(key: string, changes: unknown, options: t.PatchOptions = {}): Promise<t.Patched<T>> {
    return this.#patch(key, { merge: changes }, options);
  }

  /** Adds to a number, which begins at 0. */
  increment<T = number>(key: string, by = 1, options: t.IncrementOptions = {}): Promise<t.Patched<T>> {
    return this.#patch(key, { increment: { path: options.path, by } }, options);
  }

  /** Adds items to the end of an array, which begins empty. */
  append<T = unknown[]>(key: string, items: readonly unknown[], options: t.AppendOptions = {}): Promise<t.Patched<T>> {
    const { path, limit } = options;
    return this.#patch(key, { append: { path, items, limit } }, options);
  }

  /** Several operations as one: all of them, or none. */
  batch(operations: readonly t.BatchOperation[], options: t.WriteOptions = {}): Promise<t.Batched> {
    return this.#http.send({ method: "POST", path: "/batch", body: { operations }, ...callOf(options) });
  }

  /** All keys that hold a value and that the API key may read, in order. Pages are fetched as they are needed. */
  async *keys<T = unknown>(options: t.KeysOptions = {}): AsyncIterableIterator<t.KeyEntry<T>, undefined> {
    const { prefix, values, pageSize = 1_000, signal } = options;
    for (let cursor: string | undefined; ; ) {
      const query = { prefix, values, limit: pageSize, cursor };
      const page: { keys: t.KeyEntry<T>[]; cursor: string | null } = await this.#http.send({
        method: "GET",
        path: "/keys",
        query,
        signal,
      });
      yield* page.keys;
      if (page.cursor === null) return undefined;
      cursor = page.cursor;
    }
  }

  /** What happened to a key, newest first, as far back as memX's log reaches. Pages are fetched as they are needed. */
  async *history<T = unknown>(
    key: string,
    options: t.HistoryOptions = {},
  ): AsyncIterableIterator<ChangeEvent<T>, undefined> {
    const { pageSize = 100, signal } = options;
    for (let before = options.before; ; ) {
      const query = { key, limit: pageSize, before };
      const page: { changes: ChangeEvent<T>[]; cursor: number | null } = await this.#http.send({
        method: "GET",
        path: "/history",
        query,
        key,
        signal,
      });
      yield* page.changes;
      if (page.cursor === null) return undefined;
      before = page.cursor;
    }
  }

  /** The key's JSON Schema, or `null` where it has none. */
  async getSchema(key: string, options: t.CallOptions = {}): Promise<t.StoredSchema | null> {
    try {
      return await this.#http.send<t.StoredSchema>({ method: "GET", path: "/schema", query: { key }, key, ...options });
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }

  /** Sets the JSON Schema that every later write of the key has to match. The value that is there stays. */
  setSchema(key: string, schema: t.JsonSchema, options: t.ExpectOptions = {}): Promise<t.SchemaWritten> {
    return this.#write("/schema", key, { schema, expect: options.expect }, options);
  }

  /** @throws {NotFoundError} where the key has none */
  deleteSchema(key: string, options: t.ExpectOptions = {}): Promise<t.SchemaWritten> {
    const query = { key, expect: options.expect };
    return this.#http.send({ method: "DELETE", path: "/schema", query, key, ...callOf(options) });
  }

  /** Whether memX and its store answer. Needs no API key. */
  health(options: t.CallOptions = {}): Promise<t.Health> {
    return this.#http.send({ method: "GET", path: "/health", ...options });
  }

  /**
   * Reads, changes, and writes only if nobody has written meanwhile; otherwise again with what they wrote. Where `change`
   * answers `undefined`, nothing is written.
   *
   * @example
   * await memx.update<{ done: number }>("job:1", (job) => ({ done: (job?.done ?? 0) + 1 }));
   */
  update<T = unknown>(key: string, change: Change<T>, options: t.PatchOptions = {}): Promise<t.Entry<T> | null> {
    return updateValue(this, key, change, options);
  }

  /**
   * Takes a key for oneself, for as long as one lives: renewed by itself, free again after `ttl` seconds without.
   *
   * @throws {ConflictError} where another holds it, unless `wait` is set
   * @example
   * await using lease = await memx.lease("task:1:lease", { ttl: 30 });
   * await work({ signal: lease.signal });
   */
  lease(key: string, options: LeaseOptions): Promise<Lease> {
    return acquireLease(this, key, options);
  }

  /**
   * A key with a type: of its schema, from any library that speaks Standard JSON Schema, such as zod 4.2.
   *
   * @example
   * const goal = memx.key("agent:goal", z.object({ x: z.number(), y: z.number() }));
   * await goal.set({ x: 1, y: 7 });
   */
  key<In, Out>(key: string, schema: JsonSchemaSource<In, Out>): TypedKey<In, Out> {
    return new TypedKey(this, key, schema);
  }

  /**
   * Live changes of one or more keys, in order, each once, through disconnects. Without a listener it is to be read with
   * `for await`. A listener is waited for before it is called again.
   *
   * @example
   * for await (const { key, value } of memx.subscribe(["a", "b"], { snapshot: true })) console.log(key, value);
   */
  subscribe<T = unknown, const O extends t.SubscribeOptions = t.SubscribeOptions>(
    keys: string | readonly string[],
    listener: (event: EventOf<O, T>) => unknown,
    options?: O,
  ): Subscription<EventOf<O, T>>;
  subscribe<T = unknown, const O extends t.SubscribeOptions = t.SubscribeOptions>(
    keys: string | readonly string[],
    options?: O,
  ): Subscription<EventOf<O, T>>;
  subscribe(keys: string | readonly string[], ...rest: ListenerAndOptions): Subscription {
    const all = [keys].flat();
    for (const key of all) checkText(key, "key");
    const set = new Set(all);
    const checkAccess = async (signal: AbortSignal) => {
      // What a pattern matches and one may not read is merely not sent. The schema is the cheapest question about a key.
      for (const key of set) await this.getSchema(key, { signal });
    };
    return this.#subscribe({ patterns: all.map(escapeKey), matches: (key) => set.has(key) }, checkAccess, rest);
  }

  /** The same for all keys that match a glob and that the API key may read: `*`, `?`, `[abc]`, `[!abc]`. */
  watch<T = unknown, const O extends t.SubscribeOptions = t.SubscribeOptions>(
    patterns: string | readonly string[],
    listener: (event: EventOf<O, T>) => unknown,
    options?: O,
  ): Subscription<EventOf<O, T>>;
  watch<T = unknown, const O extends t.SubscribeOptions = t.SubscribeOptions>(
    patterns: string | readonly string[],
    options?: O,
  ): Subscription<EventOf<O, T>>;
  watch(patterns: string | readonly string[], ...rest: ListenerAndOptions): Subscription {
    const all = [patterns].flat();
    for (const pattern of all) checkText(pattern, "pattern");
    const globs = all.map(compileGlob);
    const matches = (key: string) => globs.some((glob) => glob(key));
    return this.#subscribe({ patterns: all, matches }, async () => {}, rest);
  }

  /** Ends all subscriptions. */
  close(): void {
    this.#closing.abort();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #subscribe(
    wanted: { readonly patterns: readonly string[]; readonly matches: (key: string) => boolean },
    checkAccess: Source["checkAccess"],
    [first, second]: ListenerAndOptions,
  ): Subscription {
    if (wanted.patterns.length === 0)
      throw new InvalidRequestError("invalid_request", "There is nothing to subscribe to.");
    const [listener, options = {}] = typeof first === "function" ? [first, second] : [undefined, first];
    const signal = options.signal ? AbortSignal.any([options.signal, this.#closing.signal]) : this.#closing.signal;
    const source: Source = {
      feed: this.#feed,
      checkAccess,
      readChanges: (patterns, event, since, signal) => {
        const query = { pattern: mergePatterns(patterns), event, since, wait: 0 };
        return this.#http.send<ChangesPage>({ method: "GET", path: "/changes", query, signal });
      },
    };
    const subscription = new Subscription(source, wanted, { ...options, signal });
    return listener ? subscription.listen(listener as (event: ChangeEvent) => unknown) : subscription;
  }

  #write<T>(path: string, key: string, fields: Record<string, unknown>, options: t.WriteOptions): Promise<T> {
    return this.#http.send({ method: "POST", path, body: { key, ...fields }, key, ...callOf(options) });
  }

  #patch<T>(key: string, change: Record<string, unknown>, options: t.PatchOptions): Promise<t.Patched<T>> {
    const { expect, ttl } = options;
    return this.#write("/patch", key, { ...change, expect, ttl }, options);
  }
}

type ListenerAndOptions = [
  first?: ((event: never) => unknown) | t.SubscribeOptions,
  second?: t.SubscribeOptions | undefined,
];

function callOf({ signal, idempotencyKey }: t.WriteOptions): Pick<t.WriteOptions, "signal" | "idempotencyKey"> {
  return { signal, ...(idempotencyKey !== undefined && { idempotencyKey }) };
}

/** What memX would refuse, and with it the socket that others share. */
function checkText(text: string, name: "key" | "pattern"): void {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > 0 && bytes <= 512 && !/\p{Cc}/u.test(text) && text.isWellFormed()) return;
  throw new InvalidRequestError("invalid_request", `A ${name} has 1 to 512 bytes of UTF-8 and no control characters.`);
}
