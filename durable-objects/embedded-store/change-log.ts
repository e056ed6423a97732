// The last changes of a namespace, in SQL. The log is also the counter: the next revision is the last one plus 1.

import { LIMITS } from "../../config/limits.ts";
import { utf8Length } from "../../memory/json-text.ts";
import { ALL_KEYS, type LoggedChange, type LogScan, type LogSlice } from "../../memory/store/store.ts";
import type { Change, Details, JsonText } from "../../sdk/protocol.ts";
import { type DetailColumns, details, microseconds, seconds } from "./columns.ts";

/** Characters of JSON text after which a response ends, so that it fits into the 32 MiB of an RPC message. */
export const MAX_RESPONSE_CHARS = 4 * 1024 * 1024;

/** The same, for what a subscriber gets when it joins: the object serves other calls between two responses. */
export const MAX_PAGE_CHARS = 1024 * 1024;

/** Changes in one scan. */
const SCAN_CHANGES = 1_000;

export class ChangeLog {
  readonly #sql: SqlStorage;
  readonly #kv: SyncKvStorage;
  readonly #length: number;
  /** `undefined` until it is read. */
  #head: number | undefined;
  /** What all changes so far count for, in bytes, including those that the log has dropped. `undefined` until it is read. */
  #total: number | undefined;

  constructor(storage: DurableObjectStorage, { length }: { length: number }) {
    this.#sql = storage.sql;
    this.#kv = storage.kv;
    this.#length = length;
  }

  /**
   * A namespace begins to count at the current time in microseconds. So a store that was emptied or replaced does not
   * assign revisions again that channels, caches and clients of the earlier store remember.
   */
  begin(nowUs: number): void {
    if (this.head() > 0) return;
    this.#head = Math.floor(nowUs);
    this.#kv.put("begin", this.#head);
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#head = undefined;
    this.#total = undefined;
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

  /** @param room bytes that the log may have. It drops its oldest changes to fit, and keeps the last one in any case. */
  append({ revision, previous, key, event, action, ts, json, created, expires, by }: Change, room: number): void {
    this.#total ??= this.#readTotal();
    this.#total += utf8Length(key) + (json === null ? 0 : utf8Length(json)) + LIMITS.rowBytes;
    this.#sql.exec(
      `INSERT INTO log (revision, previous, key, event, action, ts_us, json, created_us, expires_us, agent, total)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      this.#total,
    );
    this.#head = revision;
    this.trim(room);
  }

  trim(room: number): void {
    // `total` increases with the revision, so this reads only rows that leave, and one more. No text is loaded for it.
    this.#sql.exec(
      `DELETE FROM log WHERE revision <= ?1 OR revision < (
         SELECT revision FROM log
         WHERE revision = ?2 OR total - octet_length(key) - coalesce(octet_length(json), 0) - ?3 >= ?4
         ORDER BY revision LIMIT 1)`,
      this.head() - this.#length,
      this.head(),
      LIMITS.rowBytes,
      (this.#total ?? this.#readTotal()) - Math.min(room, LIMITS.maxLogBytes),
    );
  }

  #readTotal(): number {
    const [last] = this.#sql.exec<{ total: number }>("SELECT total FROM log ORDER BY revision DESC LIMIT 1").toArray();
    return last?.total ?? 0;
  }

  /** The text that this revision set, if the log still has it. */
  textAt(revision: number): JsonText | null {
    const [row] = this.#sql
      .exec<{ json: string | null }>("SELECT json FROM log WHERE revision = ?", revision)
      .toArray();
    return row?.json ?? null;
  }

  /**
   * Reads the changes after a revision. `lastOfKey` is the revision of the key's last change, 0 if none is known. If none
   * is known, the key had no change after `forgotten`.
   */
  read(key: string, after: number, lastOfKey: number, forgotten: number): LogSlice {
    const changes = this.#changes("revision > ? AND (?2 = '' OR key = ?2) ORDER BY revision", after, key);
    const { slice, more } = take(changes, Number.POSITIVE_INFINITY);
    const last = slice[0]?.previous ?? lastOfKey;
    return { changes: slice, more, truncated: this.#isTruncated(key, after, last || forgotten), head: this.head() };
  }

  /** Reads which changes there are after a revision. */
  scan(after: number): LogScan {
    // Only columns before `json`, so that SQLite reads no text.
    const changes = this.#sql
      .exec<LoggedChange>(
        "SELECT revision, key, event FROM log WHERE revision > ? ORDER BY revision LIMIT ?",
        after,
        SCAN_CHANGES + 1,
      )
      .toArray();
    const more = changes.length > SCAN_CHANGES;
    if (more) changes.pop();
    return { changes, more, truncated: this.#isTruncated(ALL_KEYS, after, 0), head: this.head() };
  }

  /** Reads as many of the changes as one page may hold, and at least one. `null` stands for one that is gone. */
  changes(revisions: readonly number[]): (Change | null)[] {
    const changes: (Change | null)[] = [];
    let chars = 0;
    for (const revision of revisions) {
      if (chars > MAX_PAGE_CHARS) break;
      const [change = null] = this.#changes("revision = ?", revision);
      changes.push(change);
      chars += change?.json?.length ?? 0;
    }
    return changes;
  }

  /** Reads the changes before a revision, newest first. */
  readBack(key: string, before: number, limit: number): Change[] {
    return take(this.#changes("revision < ? AND key = ? ORDER BY revision DESC", before, key), limit).slice;
  }

  /**
   * Whether the log has dropped changes after `after`, before the first that it still has.
   * @param last of the key's changes that the log does not have, no revision is later
   */
  #isTruncated(key: string, after: number, last: number): boolean {
    // Another store assigned that revision, or this one before it was emptied.
    if (after < (this.#kv.get<number>("begin") ?? 0)) return true;
    const { oldest } = this.#sql.exec<{ oldest: number }>("SELECT coalesce(min(revision), 1) AS oldest FROM log").one();
    if (oldest <= after + 1) return false;
    if (key === ALL_KEYS) return true;
    // A key misses no change as long as the first one here links back to `after` or earlier.
    return last > after;
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
