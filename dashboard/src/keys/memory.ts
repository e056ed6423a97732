// The memory of one API key as the page knows it: the list of keys, kept up to date by one live subscription. Values are read
// only for rows that are on screen, so a memory of any size opens at once.

import { signal } from "@preact/signals";
import {
  type ChangeEvent,
  MemX,
  type MemXOptions,
  type MemxError,
  type SubscriptionStatus,
  type WhoAmI,
} from "../../../sdk/typescript/index.ts";
import { JSON_CODEC } from "../../../sdk/typescript/options.ts";
import { type Exact, exactCodec } from "../json/codec.ts";
import { glance } from "../json/describe.ts";
import { Activity } from "../live/activity.ts";
import { Ring, type Seen } from "../live/ring.ts";
import { type ChangesReader, findLogStart } from "./changes.ts";
import { DetailReader } from "./detail-reader.ts";
import { compileFilter, matchesAny } from "./filter.ts";
import { type Folder, type Leaf, newLeaf, Tree } from "./tree.ts";

export type Status = {
  readonly state: "connecting" | "live" | "behind" | "closed";
  readonly error?: MemxError | undefined;
};

/** Changes wait this long for more, so that 200 a second cost 10 renderings. */
const FLUSH_MS = 100;
const MAX_SEEN = 1_000;
const RECENT = 200;
const RETRY_MS = 2_000;
/** A memory that is not larger than this opens with all folders open. */
const OPEN_ALL_BELOW = 60;

export class Memory {
  readonly memx: MemX;
  readonly whoami: WhoAmI;
  readonly readChanges: ChangesReader;
  readonly mayRead: (key: string) => boolean;
  readonly mayWrite: (key: string) => boolean;

  readonly status = signal<Status>({ state: "connecting" });
  readonly isListed = signal(false);
  /** Counts up when keys come or go, or folders open or close. */
  readonly structure = signal(0);
  /** Counts up when anything that a row shows has changed. */
  readonly content = signal(0);
  readonly filter = signal("");
  readonly activity = new Activity();
  readonly seen = new Ring(MAX_SEEN);
  readonly details: DetailReader;

  tree = new Tree();
  /** The last revision that the page has heard of. */
  head = 0;
  readonly #leaves = new Map<string, Leaf>();
  readonly #activities = new Map<string, Activity>();
  readonly #open = new Set<string>();
  readonly #closed = new Set<string>();
  /** While keys are listed: what is known to be newer than the listing. */
  readonly #gone = new Map<string, number>();
  readonly #listeners = new Set<(event: ChangeEvent<Exact>) => void>();
  #matches = compileFilter("");
  #waiting: ChangeEvent<Exact>[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #hasRecent = false;

  constructor(memx: MemX, whoami: WhoAmI, readChanges: ChangesReader) {
    this.memx = memx;
    this.readChanges = readChanges;
    this.whoami = whoami;
    this.mayRead = matchesAny(whoami.scopes.read);
    this.mayWrite = matchesAny(whoami.scopes.write);
    this.details = new DetailReader(memx, () => this.#changed(false));
    void this.#follow();
  }

  get size(): number {
    return this.#leaves.size;
  }

  leaf(key: string): Leaf | undefined {
    return this.#leaves.get(key);
  }

  keys(): Iterable<string> {
    return this.#leaves.keys();
  }

  activityOf(key: string): Activity | undefined {
    return this.#activities.get(key);
  }

  isOpen = ({ prefix }: Folder): boolean =>
    this.filter.value === "" ? this.#open.has(prefix) : !this.#closed.has(prefix);

  setOpen({ prefix }: Folder, open: boolean): void {
    const set = this.filter.value === "" ? this.#open : this.#closed;
    if (open === (set === this.#open)) set.add(prefix);
    else set.delete(prefix);
    this.structure.value++;
  }

  /** Opens all folders on the way to a key. */
  reveal(key: string): void {
    for (let folder = this.#leaves.get(key)?.parent; folder?.parent; folder = folder.parent) this.setOpen(folder, true);
  }

  setFilter(text: string): void {
    this.filter.value = text;
    this.#matches = compileFilter(text);
    this.#closed.clear();
    this.#rebuild();
  }

  /** Calls the listener with each live change. Returns a function that ends this. */
  listen(listener: (event: ChangeEvent<Exact>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Shows also the last changes before the page was opened. */
  async seeRecent(): Promise<void> {
    if (this.#hasRecent || this.head === 0) return;
    this.#hasRecent = true;
    const since = await findLogStart(this.readChanges, this.head, RECENT);
    const { changes } = await this.readChanges({ pattern: "*", event: "all", since });
    const first = this.seen.items[0]?.revision ?? Number.POSITIVE_INFINITY;
    this.seen.add(changes.filter(({ revision }) => revision < first).map(toSeen));
    this.#changed(false);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.memx.close();
  }

  async #follow(): Promise<void> {
    if (this.whoami.scopes.read.length === 0) {
      this.status.value = { state: "closed" };
      this.isListed.value = true;
      return;
    }
    const options = {
      event: "all",
      onStatus: (state: SubscriptionStatus, error?: MemxError) => {
        this.status.value = { state, error };
      },
      onReset: () => this.#forget(),
    } as const;
    const subscription = this.memx.watch<Exact, typeof options>("*", (event) => this.#hear(event), options);
    subscription.done.catch((error) => {
      this.status.value = { state: "closed", error };
    });
    try {
      await subscription.ready;
    } catch {
      return; // `done` says why.
    }
    const isOver = () => this.#isClosed || this.status.value.state === "closed";
    while (!(await this.#list()) && !isOver()) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  /** Returns `false` if memX does not respond; the status of the subscription says so to the person. */
  async #list(): Promise<boolean> {
    try {
      await this.#listAll();
    } catch {
      return false;
    }
    return true;
  }

  async #listAll(): Promise<void> {
    let count = 0;
    for await (const { key, revision, ts } of this.memx.keys()) {
      if (this.#isClosed) return;
      const known = Math.max(this.#leaves.get(key)?.revision ?? 0, this.#gone.get(key) ?? 0);
      if (revision > known) this.#put(key, revision, ts);
      this.head = Math.max(this.head, revision);
      if (++count % 1_000 === 0) this.structure.value++;
    }
    this.#gone.clear();
    if (this.size <= OPEN_ALL_BELOW) this.#openAll();
    this.isListed.value = true;
    this.structure.value++;
  }

  #openAll(): void {
    const open = (folder: Folder) => {
      for (const child of folder.children) {
        if (child.kind === "leaf") continue;
        this.#open.add(child.prefix);
        open(child);
      }
    };
    open(this.tree.root);
  }

  #hear(event: ChangeEvent<Exact>): void {
    this.#waiting.push(event);
    for (const listener of this.#listeners) listener(event);
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    const events = this.#waiting;
    this.#waiting = [];
    const nowMs = Date.now();
    let isStructural = false;
    for (const event of events) isStructural = this.#apply(event, nowMs) || isStructural;
    this.seen.add(events.map(toSeen));
    this.#changed(isStructural);
  }

  /** Returns whether a key came or went. */
  #apply(event: ChangeEvent<Exact>, nowMs: number): boolean {
    const { key, revision, ts } = event;
    this.head = Math.max(this.head, revision);
    this.activity.add(nowMs);
    this.#activityFor(key).add(nowMs);
    const known = this.#leaves.get(key);
    if (event.event === "schema") {
      if (known) known.changedMs = nowMs;
      return false;
    }
    if (known && known.revision >= revision) return false;
    if (event.action !== "set") {
      if (!this.isListed.value) this.#gone.set(key, revision);
      if (known) this.#drop(known);
      return known !== undefined;
    }
    const leaf = known ?? this.#put(key, revision, ts);
    leaf.revision = revision;
    leaf.ts = ts;
    leaf.changedMs = nowMs;
    leaf.detail = { ...glance(event.value.text), revision, expires: event.expires, by: event.by };
    for (let folder = leaf.parent; folder; folder = folder.parent) folder.changedMs = nowMs;
    return known === undefined;
  }

  #activityFor(key: string): Activity {
    const found = this.#activities.get(key);
    if (found) return found;
    const activity = new Activity({ slots: 30, slotMs: 2_000 });
    this.#activities.set(key, activity);
    return activity;
  }

  #put(key: string, revision: number, ts: number): Leaf {
    const known = this.#leaves.get(key);
    if (known) {
      known.revision = revision;
      known.ts = ts;
      return known;
    }
    const leaf = newLeaf(key, revision, ts);
    this.#leaves.set(key, leaf);
    if (this.#matches(key)) this.tree.add(leaf);
    // In a small memory, what is new shows at once.
    const isSmall = this.isListed.value && this.size <= OPEN_ALL_BELOW;
    for (let { parent } = leaf; isSmall && parent?.count === 1; parent = parent.parent) this.#open.add(parent.prefix);
    return leaf;
  }

  #drop(leaf: Leaf): void {
    this.#leaves.delete(leaf.key);
    if (leaf.parent) this.tree.remove(leaf);
  }

  #forget(): void {
    this.#leaves.clear();
    this.#rebuild();
  }

  #rebuild(): void {
    this.tree = new Tree();
    for (const key of [...this.#leaves.keys()].sort()) {
      const leaf = this.#leaves.get(key) as Leaf;
      leaf.parent = undefined;
      if (this.#matches(key)) this.tree.add(leaf);
    }
    this.#changed(true);
  }

  #changed(isStructural: boolean): void {
    if (isStructural) this.structure.value++;
    this.content.value++;
  }
}

/** @throws {TypeError} if no API key can look like this */
export function openClient(apiKey: string): MemX {
  const options = { apiKey, baseUrl: location.origin, agent: "dashboard", [JSON_CODEC]: exactCodec };
  return new MemX(options as MemXOptions);
}

export function toSeen(event: ChangeEvent<Exact>): Seen {
  const content = event.event === "value" ? event.value : (event.schema as Exact | undefined);
  const look = content && glance(content.text);
  const { revision, key, action, ts, by } = event;
  return { revision, key, event: event.event, action, ts, by, preview: look?.preview ?? "", bytes: look?.bytes };
}
