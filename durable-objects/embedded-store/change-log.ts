// The last changes of a namespace, in SQL. The log is also the counter: the next revision is the last one plus 1.

import { ALL_KEYS, type LogSlice } from "../../memory/store/store.ts";
import type { Change, Details } from "../../sdk/protocol.ts";
import { type DetailColumns, details, microseconds, seconds } from "./columns.ts";

/** Characters of JSON text after which a response ends, so that it fits into the 32 MiB of an RPC message. */
export const MAX_RESPONSE_CHARS = 4 * 1024 * 1024;

export class ChangeLog {
  readonly #sql: SqlStorage;
  readonly #kv: SyncKvStorage;
  readonly #length: number;
  /** `undefined` until it is read. */
  #head: number | undefined;

  constructor(storage: DurableObjectStorage, { length }: { length: number }) {
    this.#sql = storage.sql;
    this.#kv = storage.kv;
    this.#length = length;
  }

  /**
   * A namespace begins to count at the current time in milliseconds. So a store that was emptied or replaced does not
   * assign revisions again that channels, caches and clients of the earlier store remember.
   */
  begin(nowUs: number): void {
    if (this.head() > 0) return;
    this.#head = Math.floor(nowUs / 1000);
    this.#kv.put("begin", this.#head);
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#head = undefined;
  }

  /** Revision of the last change, which the log always keeps. 0 before `begin`. */
  head(): number {
    this.#head ??= this.#readHead();
    return this.#head;
  }

  #readHead(): number {
    const { last } = this.#sql.exec<{ last: number | null }>("SELECT max(revision) AS last FROM log").one();
    return last ?? this.#kv.get<number>("begin") ?? 0;
  }

  append({ revision, previous, key, event, action, ts, json, created, expires, by }: Change): void {
    this.#sql.exec(
      `INSERT INTO log (revision, previous, key, event, action, ts_us, json, created_us, expires_us, agent)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      revision,
      previous,
      key,
      event,
      action,
      microseconds(ts),
      json,
      created === undefined ? null : microseconds(created),
      expires === undefined ? null : microseconds(expires),
      by ?? null,
    );
    this.#sql.exec("DELETE FROM log WHERE revision <= ?", revision - this.#length);
    this.#head = revision;
  }

  /** Reads the changes after a revision. `lastOfKey` is the revision of the key's last change, 0 if none is known. */
  read(key: string, after: number, lastOfKey: number): LogSlice {
    const changes = this.#changes("revision > ? AND (?2 = '' OR key = ?2) ORDER BY revision", after, key);
    const { slice, more } = take(changes, Number.POSITIVE_INFINITY);
    return { changes: slice, more, truncated: this.#isTruncated(key, after, slice[0], lastOfKey), head: this.head() };
  }

  /** Reads the changes before a revision, newest first. */
  readBack(key: string, before: number, limit: number): Change[] {
    return take(this.#changes("revision < ? AND key = ? ORDER BY revision DESC", before, key), limit).slice;
  }

  /** Whether the log has dropped changes between `after` and `first`, the first change that was found. */
  #isTruncated(key: string, after: number, first: Change | undefined, lastOfKey: number): boolean {
    // Another store assigned that revision, or this one before it was emptied.
    if (after < (this.#kv.get<number>("begin") ?? 0)) return true;
    const { oldest } = this.#sql.exec<{ oldest: number }>("SELECT coalesce(min(revision), 1) AS oldest FROM log").one();
    if (oldest <= after + 1) return false;
    if (key === ALL_KEYS) return true;
    // A key misses no change as long as the first one here links back to `after` or earlier.
    return (first?.previous ?? lastOfKey) > after;
  }

  *#changes(where: string, ...bindings: (string | number)[]): Iterable<Change> {
    const rows = this.#sql.exec<Omit<Change, "ts" | keyof Details> & { ts_us: number } & DetailColumns>(
      `SELECT revision, previous, key, event, action, ts_us, json, created_us, expires_us, agent FROM log WHERE ${where}`,
      ...bindings,
    );
    for (const { ts_us, created_us, expires_us, agent, ...change } of rows) {
      yield { ...change, ts: seconds(ts_us), ...details({ created_us, expires_us, agent }) };
    }
  }
}

/** Takes as many changes as one response may hold, and at least one if there is one. */
function take(changes: Iterable<Change>, limit: number): { slice: Change[]; more: boolean } {
  const slice: Change[] = [];
  let chars = 0;
  for (const change of changes) {
    if (slice.length === limit || chars > MAX_RESPONSE_CHARS) return { slice, more: true };
    slice.push(change);
    chars += change.json?.length ?? 0;
  }
  return { slice, more: false };
}
