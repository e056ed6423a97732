// Reads what a subscriber has missed, page by page: the log, or a snapshot of everything. At the channel of a namespace it
// first reads only names, and then only the values that the subscriber's filter wants.

import type { Topic } from "../../memory/channels/topic.ts";
import { ALL_KEYS, type Store, type StoredKey } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { Turn } from "../turn.ts";
import type { ChangeFilter } from "./change-filter.ts";
import { EncodedChange } from "./encoded-change.ts";
import { SharedReads } from "./shared-reads.ts";

/** Changes or keys that one page asks for. */
const PAGE_ITEMS = 200;

type Page = readonly EncodedChange[];

/** What a filter wants of a part of the log or of the names, and where the next part begins. */
type Wanted<T, N> = { readonly id: number; readonly items: readonly T[]; readonly next: N | null };

export class BacklogPages {
  readonly #store: Store;
  readonly #reads = new SharedReads();
  #lastId = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** A moment to give to the reads of a subscriber that has just joined. */
  now(): number {
    return this.#reads.now();
  }

  /** Forgets what was read, once no subscriber joins. */
  clear(): void {
    this.#reads.clear();
  }

  /** Yields the changes after `since`, oldest first, and `null` if the log no longer has the next ones. */
  async *log(topic: Topic, filter: ChangeFilter, since: number, joinedAt: number): AsyncGenerator<Page | null> {
    const { namespace, key } = topic;
    for (let after: number | null = since; after !== null; ) {
      const from: number = after;
      if (key !== ALL_KEYS) {
        const load = () => this.#store.readLog(namespace, key, from);
        const { changes, more, truncated } = await this.#reads.share(`log ${from}`, joinedAt, load, (slice) =>
          sizeOf(slice.changes),
        );
        yield truncated ? null : changes.map((change) => new EncodedChange(change));
        after = more ? (changes.at(-1)?.revision ?? null) : null;
        continue;
      }
      const wanted = await this.#wantedChanges(namespace, filter, from, joinedAt);
      if (!wanted) {
        yield null;
        return;
      }
      for await (const changes of this.#pages(wanted, joinedAt, async (revisions) =>
        (await this.#store.readChanges(namespace, revisions)).map((change) => change && [new EncodedChange(change)]),
      )) {
        // The log has dropped a change between the two reads.
        if (changes.includes(null)) {
          yield null;
          return;
        }
        yield changes.flatMap((change) => change ?? []);
      }
      after = wanted.next;
    }
  }

  /** Yields all current values and schemas that changed after `floor`, as the changes that would write them. */
  async *snapshot(topic: Topic, filter: ChangeFilter, floor: number, joinedAt: number): AsyncGenerator<Page> {
    const { namespace, key } = topic;
    const load = async (keys: readonly string[]) =>
      (await this.#store.readEntries(namespace, keys)).map((stored) => changesOf(stored));
    if (key !== ALL_KEYS) {
      yield (await this.#reads.share("entry", joinedAt, () => load([key]), sizeOfAll)).flat();
      return;
    }
    for (let after: string | null = ""; after !== null; ) {
      const wanted: Wanted<string, string> = await this.#wantedKeys(namespace, filter, floor, after, joinedAt);
      for await (const stored of this.#pages(wanted, joinedAt, load)) yield stored.flat();
      after = wanted.next;
    }
  }

  #wantedChanges(namespace: string, filter: ChangeFilter, after: number, joinedAt: number) {
    const load = async (): Promise<Wanted<number, number> | null> => {
      const { changes, more, truncated } = await this.#store.scanLog(namespace, after);
      if (truncated) return null;
      const wanted = await select(changes, filter, (change) => filter.wants(change));
      const items = wanted.map(({ revision }) => revision);
      return { id: ++this.#lastId, items, next: more ? (changes.at(-1)?.revision ?? null) : null };
    };
    return this.#reads.share(`scan ${filter.id} ${after}`, joinedAt, load, (wanted) => 8 * (wanted?.items.length ?? 0));
  }

  #wantedKeys(namespace: string, filter: ChangeFilter, floor: number, after: string, joinedAt: number) {
    const load = async (): Promise<Wanted<string, string>> => {
      const { names, next } = await this.#store.readNames(namespace, after);
      const wanted = await select(
        names,
        filter,
        ({ key, valueRevision, schemaRevision }) =>
          (valueRevision > floor && filter.wants({ key, event: "value" })) ||
          (schemaRevision > floor && filter.wants({ key, event: "schema" })),
      );
      return { id: ++this.#lastId, items: wanted.map(({ key }) => key), next };
    };
    return this.#reads.share(`names ${filter.id} ${floor} ${after}`, joinedAt, load, ({ items }) =>
      items.reduce((sum, key) => sum + key.length, 0),
    );
  }

  async *#pages<T, R extends Page | null>(
    { id, items }: Wanted<T, unknown>,
    joinedAt: number,
    load: (items: readonly T[]) => Promise<readonly R[]>,
  ): AsyncGenerator<readonly R[]> {
    for (let from = 0; from < items.length; ) {
      const part = items.slice(from, from + PAGE_ITEMS);
      const page = await this.#reads.share(`page ${id} ${from}`, joinedAt, () => load(part), sizeOfAll);
      yield page;
      from += page.length;
    }
  }
}

/** Lets other calls in between, because a filter can be expensive. */
async function select<T>(items: readonly T[], { work }: ChangeFilter, isWanted: (item: T) => boolean): Promise<T[]> {
  const turn = new Turn();
  const wanted: T[] = [];
  for (const item of items) {
    if (isWanted(item)) wanted.push(item);
    if (turn.isOver(work)) await turn.end();
  }
  return wanted;
}

/** The schema first, because it describes the value. `previous` is 0, because the receiver has no earlier change. */
function changesOf({ key, entry, schema: stored }: StoredKey): EncodedChange[] {
  const changes: Change[] = [];
  const common = { key, action: "set", previous: 0 } as const;
  if (stored) {
    const { schema: json, ...version } = stored;
    changes.push({ ...common, event: "schema", json, ...version });
  }
  if (entry) {
    const { value: json, ...version } = entry;
    changes.push({ ...common, event: "value", json, ...version });
  }
  return changes.map((change) => new EncodedChange(change));
}

/** Twice the JSON texts, because each change also keeps the text that subscribers receive. */
function sizeOf(changes: readonly Change[]): number {
  return changes.reduce((sum, { json, key }) => sum + 2 * ((json?.length ?? 0) + key.length), 0);
}

function sizeOfAll(pages: readonly (Page | null)[]): number {
  return sizeOf(pages.flatMap((page) => (page ?? []).map(({ change }) => change)));
}
