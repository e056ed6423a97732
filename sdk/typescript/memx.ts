// The client: every call of memX as a method, and live changes over one socket.

import type { EventFilter } from "../protocol.ts";
import { AccessCheck } from "./access-check.ts";
import { type Call, Calls } from "./calls.ts";
import { checkKey, checkPattern, checkText } from "./check-text.ts";
import { NotFoundError } from "./errors.ts";
import { type ChangeEvent, type ChangesPage, checkPage, type SchemaEvent, type ValueEvent } from "./events.ts";
import { Feed } from "./feed.ts";
import { compileGlob, escapeKey } from "./glob.ts";
import { acquireLease, type Lease, type LeaseOptions } from "./lease.ts";
import { leaseTransport } from "./lease-transport.ts";
import { mergePatterns } from "./merge-patterns.ts";
import { checkMirrorOptions, Mirror, type Take } from "./mirror.ts";
import { type MemXOptions, readOptions } from "./options.ts";
import { refuseUnknown } from "./refuse-unknown.ts";
import type { JsonSchemaSource } from "./standard-schema.ts";
import { checkSubscribeOptions } from "./subscribe-options.ts";
import { type Source, Subscription, type Wanted } from "./subscription.ts";
import { TypedKey, type TypedKeyOptions } from "./typed-key.ts";
import type * as t from "./types.ts";
import { type Change, updateValue } from "./update.ts";

/** The events of a subscription, by its option `event`. */
type EventOf<O, T> = O extends { readonly event: "all" }
  ? ChangeEvent<T>
  : O extends { readonly event: "schema" }
    ? SchemaEvent
    : ValueEvent<T>;

/** For the adapters, which are no subscribers: waits for up to `wait` seconds until a change matches, and is not exported. */
export let waitForChanges: (
  memx: MemX,
  query: { readonly pattern: readonly string[]; readonly since: number | undefined; readonly wait: number },
  signal?: AbortSignal,
) => Promise<ChangesPage>;

/**
 * A client of memX. Every call rejects with a `MemxError`, or with the reason of its `signal`.
 *
 * @example
 * const memx = new MemX({ apiKey: "local_dev_key" });
 * const goals = memx.subscribe("agent:goal", ({ value }) => console.log("new goal:", value));
 * await goals.ready;
 * await memx.set("agent:goal", { x: 1, y: 7 });
 * memx.close();
 */
export class MemX implements Disposable {
  static {
    waitForChanges = async (memx, query, signal) => {
      const timeoutMs = query.wait * 1_000 + memx.#calls.timeoutMs;
      return checkPage(
        await memx.#calls.send({ method: "GET", path: "/changes", query, has: "changes", timeoutMs, signal }),
      );
    };
  }

  readonly #calls: Calls;
  readonly #feed: Feed;
  readonly #closing = new AbortController();
  readonly #accessCheck = new AccessCheck(() => this.whoami({ signal: this.#closing.signal }));
  /** The revision of each schema that this client has set. */
  readonly #ownSchemas = new Map<string, number>();

  /** @throws {TypeError} if an option cannot work, for example a `baseUrl` that is not an HTTP or HTTPS URL */
  constructor(options: MemXOptions = {}) {
    const complete = readOptions(options);
    this.#calls = new Calls(complete);
    this.#feed = new Feed(this.#calls, complete);
  }

  /**
   * Writes a value. The last write wins, unless `expect` is set. The value is JSON; members that are `undefined` are left
   * out, and objects with `toJSON`, such as dates, are written as what it returns.
   *
   * @throws {InvalidRequestError} before sending, if JSON cannot carry the value, such as `NaN`, a `Map` or a function;
   * `errors` says where
   * @throws {SchemaViolationError} if the value does not match the key's schema
   * @throws {ConflictError} if `expect` does not match
   * @example
   * const { revision } = await memx.set("agent:goal", { x: 1 });
   * await memx.set("agent:goal", { x: 2 }, { expect: revision, ttl: 60 });
   */
  set(key: string, value: unknown, options: t.SetOptions = {}): Promise<t.Written> {
    const { expect, ttl, ts, ...rest } = options;
    return this.#write("/set", key, { value, expect, ttl, ts }, rest);
  }

  /**
   * Reads a key's entry; `null` if the key holds nothing.
   *
   * @example
   * const entry = await memx.get<{ x: number }>("agent:goal");
   * console.log(entry?.value.x, entry?.revision);
   */
  async get<T = unknown>(key: string, { mirror, ...options }: t.GetOptions = {}): Promise<t.Entry<T> | null> {
    if (mirror?.status === "live" && mirror.covers(key)) return mirror.get(key) as t.Entry<T> | null;
    return this.#read({ path: "/get", query: { key }, key, has: "revision", mayBeNull: true }, options);
  }

  /**
   * Reads up to 1,000 keys at one moment: the entries are in the order of the keys, `null` for a key that holds nothing.
   *
   * @throws {ForbiddenError} if the API key must not read one of the keys
   * @throws {InvalidRequestError} with the `code` `too_large` if the values have more than 4 MiB together
   * @example
   * const { entries } = await memx.getMany(["agent:goal", "agent:plan"]);
   * console.log(entries.map((entry) => entry?.value));
   */
  async getMany<T = unknown>(keys: readonly string[], options: t.CallOptions = {}): Promise<t.Entries<T>> {
    for (const key of keys) checkKey(key);
    const [key] = keys;
    const call = {
      method: "POST",
      path: "/read",
      body: { keys },
      has: "entries",
      isRead: true,
    } as const;
    return this.#read({ ...call, ...(key !== undefined && keys.length === 1 && { key }) }, options);
  }

  /**
   * Deletes a key's value. `deleted` is `false` if the key held nothing.
   *
   * @throws {ConflictError} if `expect` does not match
   */
  delete(key: string, options: t.ExpectOptions = {}): Promise<t.Deleted> {
    const { expect, ...rest } = options;
    return this.#write("/delete", key, { expect }, rest);
  }

  /**
   * Applies a JSON Patch (RFC 6902) to the value.
   *
   * @throws {ConflictError} if `expect` does not match, or an operation does not fit the value, such as a `test`
   */
  patch<T = unknown>(
    key: string,
    operations: readonly t.JsonPatchOperation[],
    options: t.PatchOptions = {},
  ): Promise<t.Patched<T>> {
    return this.#patch(key, { patch: operations }, options);
  }

  /**
   * Merges changes into the value (RFC 7396): members replace those of the value, `null` removes a member.
   *
   * @throws {ConflictError} if `expect` does not match
   */
  merge<T = unknown>(key: string, changes: unknown, options: t.PatchOptions = {}): Promise<t.Patched<T>> {
    return this.#patch(key, { merge: changes }, options);
  }

  /**
   * Adds to a number, which begins at 0.
   *
   * @throws {ConflictError} if `expect` does not match, or the value is not a number
   * @example
   * const { value } = await memx.increment("searches");
   * console.log(value);
   */
  increment<T = number>(key: string, by = 1, options: t.IncrementOptions = {}): Promise<t.Patched<T>> {
    const { path, ...rest } = options;
    return this.#patch(key, { increment: { path, by } }, rest);
  }

  /**
   * Adds items to the end of an array, which begins empty.
   *
   * @throws {ConflictError} if `expect` does not match, or the value is not an array
   * @example
   * await memx.append("findings", [{ by: "agent-7", text: "…" }], { limit: 200 });
   */
  append<T = unknown[]>(key: string, items: readonly unknown[], options: t.AppendOptions = {}): Promise<t.Patched<T>> {
    const { path, limit, ...rest } = options;
    return this.#patch(key, { append: { path, items, limit } }, rest);
  }

  /**
   * Applies several operations in one step: all of them, or none.
   *
   * @throws {ConflictError} if an `expect` does not match
   * @example
   * await memx.batch([
   *   { op: "set", key: "plan", value: "b", expect: 0 },
   *   { op: "delete", key: "plan:draft" },
   * ]);
   */
  async batch(operations: readonly t.BatchOperation[], options: t.WriteOptions = {}): Promise<t.Batched> {
    for (const { key } of operations) checkKey(key);
    return this.#send({ method: "POST", path: "/batch", body: { operations }, has: "results" }, options);
  }

  /**
   * Lists the keys that hold a value and that the API key may read, in order. Fetches pages as needed.
   *
   * @example
   * for await (const { key, value } of memx.keys({ prefix: "task:", values: true })) console.log(key, value);
   */
  async *keys<T = unknown>(options: t.KeysOptions = {}): AsyncIterableIterator<t.KeyEntry<T>, undefined> {
    const { prefix, values, pageSize = 1_000, ...rest } = options;
    if (prefix !== undefined) checkText(prefix, "A prefix");
    for (let cursor: string | undefined; ; ) {
      const query = { prefix, values, limit: pageSize, cursor };
      const page: { keys: t.KeyEntry<T>[]; cursor: string | null } = await this.#read(
        { path: "/keys", query, has: "keys" },
        rest,
      );
      yield* page.keys;
      if (page.cursor === null) return undefined;
      cursor = page.cursor;
    }
  }

  /** Reads a key's changes, newest first, as far back as memX's log reaches. Fetches pages as needed. */
  async *history<T = unknown>(
    key: string,
    options: t.HistoryOptions = {},
  ): AsyncIterableIterator<ChangeEvent<T>, undefined> {
    const { pageSize = 100, before: first, ...rest } = options;
    for (let before = first; ; ) {
      const query = { key, limit: pageSize, before };
      const page: { changes: ChangeEvent<T>[]; cursor: number | null } = await this.#read(
        { path: "/history", query, key, has: "changes" },
        rest,
      );
      yield* page.changes;
      if (page.cursor === null) return undefined;
      before = page.cursor;
    }
  }

  /** Reads a key's JSON Schema; `null` if the key has none. */
  async getSchema(key: string, options: t.CallOptions = {}): Promise<t.StoredSchema | null> {
    try {
      return await this.#read<t.StoredSchema>({ path: "/schema", query: { key }, key, has: "schema" }, options);
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }

  /**
   * Sets the JSON Schema that every later write to the key must match. The current value stays.
   *
   * @throws {InvalidSchemaError} if memX cannot use the schema
   * @throws {ConflictError} if `expect` does not match the revision of the schema
   */
  async setSchema(key: string, schema: t.JsonSchema, options: t.ExpectOptions = {}): Promise<t.SchemaWritten> {
    const { expect, ...rest } = options;
    const written = await this.#write<t.SchemaWritten>("/schema", key, { schema, expect }, rest);
    this.#ownSchemas.set(key, written.revision);
    return written;
  }

  /**
   * Deletes a key's JSON Schema.
   *
   * @throws {NotFoundError} if the key has none
   */
  async deleteSchema(key: string, options: t.ExpectOptions = {}): Promise<t.SchemaWritten> {
    const { expect, ...rest } = options;
    const query = { key, expect };
    const written = await this.#send<t.SchemaWritten>(
      { method: "DELETE", path: "/schema", query, key, has: "ok" },
      rest,
    );
    this.#ownSchemas.delete(key);
    return written;
  }

  /** Checks that memX and its store respond. Needs no API key. */
  health(options: t.CallOptions = {}): Promise<t.Health> {
    return this.#read({ path: "/health", has: "status" }, options);
  }

  /** Reads what the API key may do, and which memX this is. */
  whoami(options: t.CallOptions = {}): Promise<t.WhoAmI> {
    return this.#read({ path: "/whoami", has: "scopes" }, options);
  }

  /**
   * Reads a value, changes it, and writes it. If another client wrote meanwhile, starts again with the value of that
   * client. Writes nothing if `change` returns `undefined`. Returns the entry that the key then holds.
   *
   * @throws {ConflictError} if `options.expect` does not match; without it, after 1,000 conflicts in a row
   * @throws {InvalidRequestError} if memX has applied another write with the same `idempotencyKey`: nothing was written
   * @example
   * await memx.update<{ done: number }>("job:1", (job) => ({ done: (job?.done ?? 0) + 1 }));
   */
  update<T = unknown>(key: string, change: Change<T>, options: t.UpdateOptions = {}): Promise<t.Entry<T> | null> {
    return updateValue(this, key, change, options);
  }

  /**
   * Acquires an exclusive lease on a key. It renews itself while the process lives, and expires `ttl` seconds after the
   * last renewal. If the call rejects, it also deletes in the background what memX may have written meanwhile.
   *
   * @throws {ConflictError} if another client holds the lease, unless `wait` is set
   * @throws {LeaseLostError} if memX responds too late for the lease to be valid
   * @example
   * await using lease = await memx.lease("task:1:lease", { ttl: 30 });
   * await memx.set("task:1", { token: lease.token }, { signal: lease.signal });
   */
  lease(key: string, options: LeaseOptions): Promise<Lease> {
    const transport = leaseTransport(this.#calls, (...args) => this.subscribe(...args));
    return acquireLease(transport, key, options);
  }

  /**
   * Returns a key with the type of a schema, from any library with Standard JSON Schema, such as zod 4.2. The first write
   * sets the schema in memX. If the key has another schema there that this client did not set, the write rejects with a
   * `SchemaChangedError`, unless the option `onSchemaChange` says otherwise.
   *
   * @example
   * import { z } from "zod";
   *
   * const goal = memx.key("agent:goal", z.object({ x: z.number(), y: z.number() }));
   * await goal.set({ x: 1, y: 7 });
   */
  key<In, Out>(key: string, schema: JsonSchemaSource<In, Out>, options: TypedKeyOptions = {}): TypedKey<In, Out> {
    return new TypedKey(this, key, schema, options, (revision) => this.#ownSchemas.get(key) === revision);
  }

  /**
   * Subscribes to live changes of one or more keys, in order, each once, through disconnects. Pass a listener, or read
   * the subscription with `for await`. The next call of a listener waits for the promise that it returned.
   *
   * @throws {InvalidRequestError} at once, if a key is invalid or there is none
   * @example
   * await memx.set("a", 1);
   * for await (const { key, value } of memx.subscribe(["a", "b"], { snapshot: true })) {
   *   console.log(key, value);
   *   break;
   * }
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
    for (const key of all) checkKey(key);
    const set = new Set(all);
    const checkAccess = (signal: AbortSignal) => this.#accessCheck.check(set, signal);
    return this.#subscribe({ patterns: all.map(escapeKey), matches: (key) => set.has(key) }, checkAccess, rest);
  }

  /**
   * Subscribes to live changes of all keys that match a glob (`*`, `?`, `[abc]`, `[!abc]`) and that the API key may
   * read.
   *
   * @throws {InvalidRequestError} at once, if a pattern is invalid or there is none
   * @example
   * await memx.set("task:1", "open");
   * for await (const { key, action, value } of memx.watch("task:*", { snapshot: true })) {
   *   console.log(key, action, value);
   *   break;
   * }
   */
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
    const { wanted, checkAccess } = this.#wantedByPatterns([patterns].flat());
    return this.#subscribe(wanted, checkAccess, rest);
  }

  /**
   * Copies all entries whose keys match a glob into this process, and keeps the copy equal to memX: reading it takes no
   * call. Resolves once the copy is complete.
   *
   * @throws {InvalidRequestError} if a pattern is invalid or there is none
   * @throws {MemxError} with the `code` `mirror_full` if the entries are too large
   * @example
   * const mirror = await memx.mirror("agent:*");
   * const { revision } = await memx.set("agent:goal", { x: 1, y: 7 });
   * await mirror.at(revision);
   * console.log(mirror.get("agent:goal")?.value, mirror.size);
   * mirror.close();
   */
  async mirror<T = unknown>(patterns: string | readonly string[], options: t.MirrorOptions = {}): Promise<Mirror<T>> {
    checkMirrorOptions(options);
    const { maxChars, ...rest } = options;
    const { wanted, checkAccess } = this.#wantedByPatterns([patterns].flat());
    const subscribe = (take: Take) =>
      new Subscription(this.#source(checkAccess), wanted, { ...rest, snapshot: true }, take);
    return Mirror.open<T>({ covers: wanted.matches, subscribe }, maxChars);
  }

  /** The highest revision that this client has seen, in its writes, its reads, and its subscriptions; 0 before the first. */
  get revision(): number {
    return this.#calls.reads.revision;
  }

  /**
   * Tells the client of a revision that another one has seen. With `reads: "session"`, later reads then have all that the
   * other client knew.
   *
   * @throws {InvalidRequestError} if it is no revision
   * @example
   * const writer = new MemX();
   * const reader = new MemX({ reads: "session" });
   * await writer.set("agent:goal", { x: 1, y: 7 });
   * reader.seen(writer.revision);
   * console.log(await reader.get("agent:goal"));
   */
  seen(revision: number): void {
    this.#calls.reads.seen(revision);
  }

  /** Ends all subscriptions, and those that come later. Other calls still work. */
  close(): void {
    this.#closing.abort();
    this.#calls.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #subscribe(
    wanted: { readonly patterns: readonly string[]; readonly matches: (key: string) => boolean },
    checkAccess: Source["checkAccess"],
    [first, second]: ListenerAndOptions,
  ): Subscription {
    const [listener, options = {}] = typeof first === "function" ? [first, second] : [undefined, first];
    checkSubscribeOptions(options);
    const subscription = new Subscription(this.#source(checkAccess), wanted, options);
    return listener ? subscription.listen(listener as (event: ChangeEvent) => unknown) : subscription;
  }

  #wantedByPatterns(patterns: readonly string[]): { wanted: Wanted; checkAccess: Source["checkAccess"] } {
    for (const pattern of patterns) checkPattern(pattern);
    const globs = patterns.map(compileGlob);
    const matches = (key: string) => globs.some((glob) => glob(key));
    // The socket may be open for the sake of other subscriptions, and then says nothing of this one.
    const checkAccess = async (signal: AbortSignal) => {
      await this.#changes(patterns, "all", undefined, signal);
    };
    return { wanted: { patterns, matches }, checkAccess };
  }

  #source(checkAccess: Source["checkAccess"]): Source {
    return {
      feed: this.#feed,
      closing: this.#closing.signal,
      checkAccess,
      readChanges: (...args) => this.#changes(...args),
    };
  }

  /** Reads what came after a revision. Without one, finds out whether the API key may read any of it. */
  async #changes(
    patterns: readonly string[],
    event: EventFilter,
    since: number | undefined,
    signal: AbortSignal,
  ): Promise<ChangesPage> {
    const query = { pattern: mergePatterns(patterns), event, since, wait: 0 };
    return checkPage(await this.#read<ChangesPage>({ path: "/changes", query, has: "changes" }, { signal }));
  }

  #patch<T>(key: string, change: Record<string, unknown>, options: t.PatchOptions): Promise<t.Patched<T>> {
    const { expect, ttl, ...rest } = options;
    return this.#write("/patch", key, { ...change, expect, ttl }, rest);
  }

  #write<T>(path: string, key: string, fields: Record<string, unknown>, options: t.WriteOptions): Promise<T> {
    return this.#send({ method: "POST", path, body: { key, ...fields }, key, has: "ok" }, options);
  }

  async #read<T>(
    call: Omit<Call, "method"> & { readonly method?: "POST" },
    { signal, ...unknown }: t.CallOptions,
  ): Promise<T> {
    refuseUnknown(unknown);
    return this.#calls.send({ method: "GET", ...call, signal });
  }

  async #send<T>(call: Call, { signal, idempotencyKey, ...unknown }: t.WriteOptions): Promise<T> {
    refuseUnknown(unknown);
    return this.#calls.send({ ...call, signal, idempotencyKey });
  }
}

type ListenerAndOptions = [
  first?: ((event: never) => unknown) | t.SubscribeOptions,
  second?: t.SubscribeOptions | undefined,
];
