// The object of the embedded store, as far as channels call it: a log that lets go, and watches by token.

import { ALL_KEYS, type LogScan, type LogSlice, type NamesPage, type StoredKey } from "../../../memory/store/store.ts";
import type { Change } from "../../../sdk/protocol.ts";

/** So few that reading a log takes several calls. */
const PAGE = 12;

export class StoreObject {
  head = 1_000;
  readonly #logLength: number;
  #log: Change[] = [];
  readonly #latest = new Map<string, Change>();
  readonly #watches = new Map<string, string>();

  constructor(logLength: number) {
    this.#logLength = logLength;
  }

  /** Applies a set. Returns the change, and whether the channels of its key and of the namespace watch. */
  set(key: string, json: string) {
    const previous = this.#latest.get(key)?.revision ?? 0;
    const change: Change = { event: "value", action: "set", key, json, ts: 0, revision: ++this.head, previous };
    this.#latest.set(key, change);
    this.#log.push(change);
    if (this.#log.length > this.#logLength) this.#log.shift();
    return { change, watched: this.#watches.has(key), namespaceWatched: this.#watches.has(ALL_KEYS) };
  }

  watch(key: string, token: string) {
    this.#watches.set(key, token);
    return { head: this.head, expiresInMs: null };
  }

  unwatch(key: string, token: string): void {
    if (this.#watches.get(key) === token) this.#watches.delete(key);
  }

  isWatched(key: string): boolean {
    return this.#watches.has(key);
  }

  readLog(key: string, after: number): LogSlice {
    const all = this.#log.filter((change) => change.revision > after && (key === ALL_KEYS || change.key === key));
    const changes = all.slice(0, PAGE);
    return {
      changes,
      more: all.length > PAGE,
      truncated: this.#isTruncated(key, after, all[0]),
      head: this.head,
    };
  }

  scanLog(after: number): LogScan {
    const { changes, ...slice } = this.readLog(ALL_KEYS, after);
    return { ...slice, changes: changes.map(({ revision, key, event }) => ({ revision, key, event })) };
  }

  readChanges(revisions: readonly number[]): (Change | null)[] {
    return revisions.map((revision) => this.#log.find((change) => change.revision === revision) ?? null);
  }

  readNames(after: string): NamesPage {
    const names = [...this.#latest.values()]
      .filter(({ key }) => key > after)
      .map(({ key, revision }) => ({ key, valueRevision: revision, schemaRevision: 0 }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    return { names, next: null };
  }

  readEntries(keys: readonly string[]): StoredKey[] {
    return keys.map((key) => {
      const change = this.#latest.get(key);
      const entry = change ? { value: change.json as string, ts: 0, revision: change.revision } : null;
      return { key, entry, schema: null };
    });
  }

  #isTruncated(key: string, after: number, next: Change | undefined): boolean {
    const oldest = this.#log[0]?.revision ?? this.head + 1;
    if (oldest <= after + 1) return false;
    if (key === ALL_KEYS) return true;
    return (next?.previous ?? this.#latest.get(key)?.revision ?? 0) > after;
  }
}
