// A store of LangGraph in memX. The value of an item is the value of a key, so MCP, curl, and every client share the items.
// Beyond LangGraph's interface: `update` loses no change, `watch` sees changes live, and `lease` takes an item for oneself.

import {
  BaseStore,
  type Item,
  type ListNamespacesOperation,
  type Operation,
  type OperationResults,
  type PutOperation,
  type SearchItem,
  type SearchOperation,
  validateNamespace,
} from "@langchain/langgraph-checkpoint";
import { ConflictError, InvalidRequestError } from "../errors.ts";
import type { ValueEvent } from "../events.ts";
import { escapeKey } from "../glob.ts";
import type { Lease, LeaseOptions } from "../lease.ts";
import type { MemX } from "../memx.ts";
import type { Subscription } from "../subscription.ts";
import type { BatchOperation, Entry, SubscribeOptions } from "../types.ts";
import { inBatches, inGroups } from "./groups.ts";
import { matchesFilter } from "./langgraph-filter.ts";
import { fixedPart, isMatch, itemKey, leaseKey, namespaceStart, readItemKey } from "./langgraph-keys.ts";

/** So many values fit in one response of memX, however large they are. */
const MAX_READ = 16;
const MAX_KEYS = 1_000;

export type MemxStoreOptions = {
  /** The start of the keys of all items. @default "store/" */
  readonly prefix?: string;
  readonly ttl?: {
    /** Minutes until an item expires. @default items do not expire */
    readonly defaultTTL?: number;
    /** Whether a read starts the time of an item again. That is a write, which every watcher sees. @default false */
    readonly refreshOnRead?: boolean;
  };
};

/** Options of one `put`. LangGraph passes `index`, which has no meaning here. */
export type PutOptions = {
  /** Minutes until the item expires. @default `defaultTTL` */
  readonly ttl?: number;
  readonly index?: false | string[];
};

/** A change of an item. `item` is `null` unless `action` is `"set"`. */
export type StoreEvent = {
  readonly action: ValueEvent["action"];
  readonly namespace: string[];
  readonly key: string;
  readonly item: Item | null;
  readonly revision: number;
};

/** Live changes of items. Leaving the `for await` closes it. */
export type StoreWatch = AsyncIterable<StoreEvent> & Pick<Subscription, "ready" | "done" | "close">;

type Value = Item["value"];

/**
 * A LangGraph store in memX. It ignores `query` and `index`: it has no semantic search.
 *
 * @example
 * const store = new MemxStore(new MemX());
 * await store.put(["users", "ada"], "likes", { food: "pizza" });
 * await store.update(["users", "ada"], "visits", (visits) => ({ count: (visits?.count ?? 0) + 1 }));
 * for await (const { key, item } of store.watch(["users"])) console.log(key, item?.value);
 */
export class MemxStore extends BaseStore {
  readonly #memx: MemX;
  readonly #prefix: string;
  readonly #defaultTtl: number | undefined;
  readonly #refreshOnRead: boolean;

  constructor(memx: MemX, { prefix = "store/", ttl = {} }: MemxStoreOptions = {}) {
    super();
    this.#memx = memx;
    this.#prefix = prefix;
    this.#defaultTtl = ttl.defaultTTL;
    this.#refreshOnRead = ttl.refreshOnRead ?? false;
  }

  /**
   * Reads first, and then writes. memX applies up to 100 puts of 1 MiB together in one step: all of them, or none.
   *
   * @throws {MemxError}
   */
  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const gets: string[] = [];
    const puts = new Map<string, BatchOperation>();
    const plans = operations.map((operation): ((entries: (Item | null)[]) => unknown) => {
      if ("namespacePrefix" in operation) {
        validateNamespace(operation.namespacePrefix, { allowEmpty: true, allowReservedRoot: true });
        return () => this.#search(operation);
      }
      if (!("key" in operation)) return () => this.#listNamespaces(operation);
      validateNamespace(operation.namespace, { allowReservedRoot: true });
      const name = itemKey(this.#prefix, operation);
      if (!("value" in operation)) {
        const at = gets.push(name) - 1;
        return (items) => items[at];
      }
      puts.set(name, this.#toOperation(name, operation));
      return () => undefined;
    });
    const items = await Promise.all(inGroups(gets, MAX_READ).map((names) => this.#read(names)));
    const results = await Promise.all(plans.map((plan) => plan(items.flat())));
    for (const group of inBatches([...puts.values()])) await this.#memx.batch(group);
    return results as OperationResults<Op>;
  }

  override async put(
    namespace: string[],
    key: string,
    value: Value,
    options: PutOptions | PutOptions["index"] = {},
  ): Promise<void> {
    validateNamespace(namespace);
    const ttl = options && "ttl" in options ? { ttl: options.ttl } : {};
    await this.batch([{ namespace, key, value, ...ttl }]);
  }

  /**
   * Reads an item, changes it, and writes it. If another client wrote meanwhile, starts again with the item of that client.
   * Writes nothing if `change` returns `undefined`. Returns the item that the store then has.
   */
  async update<T extends Value = Value>(
    namespace: string[],
    key: string,
    change: (value: T | undefined) => T | undefined | Promise<T | undefined>,
  ): Promise<Item | null> {
    validateNamespace(namespace);
    const name = itemKey(this.#prefix, { namespace, key });
    const ttl = this.#defaultTtl;
    const apply = async (value: unknown) => {
      const next = await change(isObject(value) ? (value as T) : undefined);
      if (next !== undefined) checkValue(name, next);
      return next;
    };
    const entry = await this.#memx.update<unknown>(name, apply, ttl === undefined ? {} : { ttl: ttl * 60 });
    return entry && this.#toItem(name, entry);
  }

  /** Watches the items of a namespace and of the namespaces below it. The options are those of `MemX.watch`. */
  watch(namespacePrefix: string[], options: Omit<SubscribeOptions, "event"> = {}): StoreWatch {
    const start = namespaceStart(this.#prefix, namespacePrefix);
    const changes = this.#memx.watch(`${escapeKey(start)}*`, options);
    const toEvent = (change: ValueEvent) => this.#toEvent(change);
    return {
      get ready() {
        return changes.ready;
      },
      done: changes.done,
      close: changes.close,
      async *[Symbol.asyncIterator]() {
        for await (const change of changes) {
          const event = toEvent(change);
          if (event) yield event;
        }
      },
    };
  }

  /** Takes an item for oneself, as `MemX.lease` does. Other clients can still read and write the item. */
  lease(namespace: string[], key: string, options: LeaseOptions): Promise<Lease> {
    return this.#memx.lease(leaseKey(this.#prefix, { namespace, key }), options);
  }

  async #read(names: readonly string[]): Promise<(Item | null)[]> {
    const { entries } = await this.#memx.getMany(names);
    await this.#refresh(names.map((name, at) => ({ name, entry: entries[at] ?? null })));
    return entries.map((entry, at) => entry && this.#toItem(names[at] as string, entry));
  }

  async #search({ namespacePrefix, filter, limit = 10, offset = 0 }: SearchOperation): Promise<SearchItem[]> {
    const found: { name: string; entry: Entry; item: Item }[] = [];
    const end = offset + limit;
    const pageSize = filter ? MAX_KEYS : Math.min(Math.max(end, 1), MAX_KEYS);
    const prefix = namespaceStart(this.#prefix, namespacePrefix);
    for await (const { key: name, ...entry } of this.#memx.keys({ prefix, values: true, pageSize })) {
      if (found.length >= end) break;
      const item = this.#toItem(name, entry as Entry);
      if (item && matchesFilter(item.value, filter)) found.push({ name, entry: entry as Entry, item });
    }
    const page = found.slice(offset, end);
    await this.#refresh(page);
    return page.map(({ item }) => item);
  }

  async #listNamespaces({
    matchConditions = [],
    maxDepth,
    limit,
    offset,
  }: ListNamespacesOperation): Promise<string[][]> {
    const found = new Map<string, string[]>();
    for await (const { key } of this.#memx.keys({ prefix: namespaceStart(this.#prefix, fixedPart(matchConditions)) })) {
      const namespace = readItemKey(this.#prefix, key)?.namespace;
      if (!namespace || !matchConditions.every((condition) => isMatch(condition, namespace))) continue;
      const cut = namespace.slice(0, maxDepth);
      found.set(cut.join("/"), cut);
    }
    // In the order of LangGraph's own store.
    const sorted = [...found.values()].sort((a, b) => a.join(":").localeCompare(b.join(":")));
    return sorted.slice(offset ?? 0, (offset ?? 0) + (limit ?? sorted.length));
  }

  /** Starts the time of the items again, for as long as it was. Leaves an item that another client has written meanwhile. */
  async #refresh(read: readonly { readonly name: string; readonly entry: Entry | null }[]): Promise<void> {
    if (!this.#refreshOnRead) return;
    const refresh = async (name: string, { expires, ts, revision: expect }: Entry) => {
      if (expires === undefined) return;
      await this.#memx.merge(name, {}, { expect, ttl: Math.max(1, expires - ts) }).catch((error) => {
        if (!(error instanceof ConflictError)) throw error;
      });
    };
    await Promise.all(read.map(({ name, entry }) => entry && refresh(name, entry)));
  }

  #toOperation(key: string, { value, ttl = this.#defaultTtl }: PutOperation & { ttl?: number }): BatchOperation {
    if (value === null) return { op: "delete", key };
    checkValue(key, value);
    return { op: "set", key, value, ...(ttl !== undefined && { ttl: ttl * 60 }) };
  }

  /** Returns `null` for a key that another program wrote: it is no item, or its value is no object. */
  #toItem(name: string, { value, ts, created = ts }: Pick<Entry, "value" | "ts" | "created">): Item | null {
    const place = readItemKey(this.#prefix, name);
    if (!place || !isObject(value)) return null;
    return { ...place, value, createdAt: new Date(created * 1_000), updatedAt: new Date(ts * 1_000) };
  }

  #toEvent(change: ValueEvent): StoreEvent | undefined {
    const { action, revision } = change;
    const place = readItemKey(this.#prefix, change.key);
    const item = change.action === "set" ? this.#toItem(change.key, change) : null;
    return place && { action, ...place, item, revision };
  }
}

function isObject(value: unknown): value is Value {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkValue(key: string, value: unknown): void {
  if (isObject(value)) return;
  throw new InvalidRequestError("invalid_request", "The value of an item must be an object.", { key });
}
