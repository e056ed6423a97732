// The last changes of a namespace, in SQL. The log is also the counter: the next revision is the last one plus 1.

import { LIMITS } from "../../config/limits.ts";
import { utf8Length } from "../../memory/json-text.ts";
import { ALL_KEYS, type LoggedChange, type LogScan, type LogSlice } from "../../memory/store/store.ts";
import type { Change, Details, JsonText } from "../../sdk/protocol.ts";
import { type DetailColumns, details, microseconds, seconds } from "./columns.ts";
import { LogRing } from "./log-ring.ts";

/** Characters of JSON text after which a response ends, so that it fits into the 32 MiB of an RPC message. */
export const MAX_RESPONSE_CHARS = 4 * 1024 * 1024;

/** The same, for what a subscriber gets when it joins: the object serves other calls between two responses. */
export const MAX_PAGE_CHARS = 1024 * 1024;

/** Changes in one scan. */
const SCAN_CHANGES = 1_000;

/** What all changes before this one count for. No text is loaded for it. */
const BEFORE = `total - octet_length(key) - coalesce(octet_length(json), 0) - ${LIMITS.rowBytes}`;

export class ChangeLog {
  readonly #sql: SqlStorage;
  readonly #kv: SyncKvStorage;
  readonly #length: number;
  readonly #ring: LogRing;
  /** Revisions of the first and the last change; without changes `oldest` is the next one. `undefined` until it is read. */
  #ends: { readonly oldest: number; readonly newest: number } | undefined;
  /** What all changes so far count for, in bytes, including those that the log has dropped. `undefined` until it is read. */
  #total: number | undefined;
  /** What changes that the log has dropped count for, perhaps not all of them. So it has no more than the rest. */
  #dropped: number | undefined;

  constructor(storage: DurableObjectStorage, { length }: { length: number }) {
    this.#sql = storage.sql;
    this.#kv = storage.kv;
    this.#length = length;
    this.#ring = new LogRing(storage, length);
  }

  /**
   * A namespace begins to count at the current time in microseconds. So a store that was emptied or replaced does not
   * assign revisions again that channels, caches and clients of the earlier store remember.
   */
  begin(nowUs: number): void {
    if (this.head() > 0) return;
    const begin = Math.floor(nowUs);
    this.#ends = { oldest: begin + 1, newest: begin };
    this.#kv.put("begin", begin);
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#ends = undefined;
    this.#total = undefined;
    this.#dropped = undefined;
  }

  /** Revision of the last change, which the log always keeps. 0 before `begin`. */
  head(): number {
    return this.#readEnds().newest;
  }

  #readEnds() {
    this.#ends ??= this.#ring.ends();
    if (this.#ends) return this.#ends;
    const begin = this.#kv.get<number>("begin") ?? 0;
    this.#ends = { oldest: begin + 1, newest: begin };
    return this.#ends;
  }

  /** @param room bytes that the log may have. It drops its oldest changes to fit, and keeps the last one in any case. */
  append({ revision, previous, key, event, action, ts, json, created, expires, by }: Change, room: number): void {
    const { oldest } = this.#readEnds();
    this.#total ??= this.#readTotal();
    this.#total += (json === null ? 0 : utf8Length(json)) + utf8Length(key) + LIMITS.rowBytes;
    this.#sql.exec(
      `INSERT OR REPLACE INTO log
         (slot, revision, previous, key, event, action, ts_us, json, created_us, expires_us, agent, total)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.#ring.slotOf(revision),
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
    // What was in that slot is gone.
    this.#ends = { oldest: Math.max(oldest, revision - this.#length + 1), newest: revision };
    this.#trim(this.#total, Math.min(room, LIMITS.maxLogBytes));
  }

  #trim(total: number, room: number): void {
    if (this.#dropped !== undefined && total - this.#dropped <= room) return;
    const { oldest, newest } = this.#readEnds();
    const first = this.#firstFrom(total - room);
    const kept = first?.revision ?? newest;
    for (const arc of this.#ring.arcs(oldest, kept - 1)) {
      this.#sql.exec("DELETE FROM log WHERE slot BETWEEN ? AND ?", ...arc);
    }
    this.#ends = { oldest: kept, newest };
    this.#dropped = first?.before;
  }

  /** The first change before which all count for this or more. */
  #firstFrom(bytes: number) {
    const { oldest, newest } = this.#readEnds();
    for (const arc of this.#ring.arcs(oldest, newest)) {
      // `total` increases with the revision, so this reads only rows that leave, and one more.
      const [first] = this.#sql
        .exec<{ revision: number; before: number }>(
          `SELECT revision, ${BEFORE} AS before FROM log WHERE slot BETWEEN ? AND ? AND ${BEFORE} >= ? ORDER BY slot LIMIT 1`,
          ...arc,
          bytes,
        )
        .toArray();
      if (first) return first;
    }
    return undefined;
  }

  #readTotal(): number {
    const [last] = this.#at<{ total: number }>("total", this.head());
    return last?.total ?? 0;
  }

  /** The text that this revision set, if the log still has it. */
  textAt(revision: number): JsonText | null {
    const [row] = this.#at<{ json: string | null }>("json", revision);
    return row?.json ?? null;
  }

  /**
   * Reads the changes after a revision. `lastOfKey` is the revision of the key's last change, 0 if none is known. If none
   * is known, the key had no change after `forgotten`.
   */
  read(key: string, after: number, lastOfKey: number, forgotten: number): LogSlice {
    const { slice, more } = take(this.#after(after, key), Number.POSITIVE_INFINITY);
    const last = slice[0]?.previous ?? lastOfKey;
    return { changes: slice, more, truncated: this.#isTruncated(key, after, last || forgotten), head: this.head() };
  }

  /** Reads which changes there are after a revision. */
  scan(after: number): LogScan {
    const { oldest, newest } = this.#readEnds();
    const from = Math.max(after + 1, oldest);
    const to = Math.min(newest, from + SCAN_CHANGES - 1);
    // Only columns before `json`, so that SQLite reads no text.
    const changes = this.#ring
      .arcs(from, to)
      .flatMap((arc) =>
        this.#sql
          .exec<LoggedChange>("SELECT revision, key, event FROM log WHERE slot BETWEEN ? AND ? ORDER BY slot", ...arc)
          .toArray(),
      );
    const more = to < newest;
    return { changes, more, truncated: this.#isTruncated(ALL_KEYS, after, 0), head: this.head() };
  }

  /** Reads as many of the changes as one page may hold, and at least one. `null` stands for one that is gone. */
  changes(revisions: readonly number[]): (Change | null)[] {
    const changes: (Change | null)[] = [];
    let chars = 0;
    for (const revision of revisions) {
      if (chars > MAX_PAGE_CHARS) break;
      const [change = null] = this.#at<ChangeRow>(CHANGE_COLUMNS, revision).map(toChange);
      changes.push(change);
      chars += change?.json?.length ?? 0;
    }
    return changes;
  }

  /** Reads the changes before a revision, newest first. */
  readBack(key: string, before: number, limit: number): Change[] {
    return take(this.#before(before, key), limit).slice;
  }

  /**
   * Whether the log has dropped changes after `after`, before the first that it still has.
   * @param last of the key's changes that the log does not have, no revision is later
   */
  #isTruncated(key: string, after: number, last: number): boolean {
    // Another store assigned that revision, or this one before it was emptied.
    if (after < (this.#kv.get<number>("begin") ?? 0)) return true;
    if (this.#readEnds().oldest <= after + 1) return false;
    if (key === ALL_KEYS) return true;
    // A key misses no change as long as the first one here links back to `after` or earlier.
    return last > after;
  }

  *#after(revision: number, key: string): Iterable<Change> {
    const { oldest, newest } = this.#readEnds();
    for (const arc of this.#ring.arcs(Math.max(revision + 1, oldest), newest)) {
      yield* this.#changes("(?3 = '' OR key = ?3) ORDER BY slot", arc, key);
    }
  }

  *#before(revision: number, key: string): Iterable<Change> {
    const { oldest, newest } = this.#readEnds();
    for (const arc of this.#ring.arcs(oldest, Math.min(revision - 1, newest)).toReversed()) {
      yield* this.#changes("key = ?3 ORDER BY slot DESC", arc, key);
    }
  }

  *#changes(where: string, arc: readonly [number, number], key: string): Iterable<Change> {
    const rows = this.#sql.exec<ChangeRow>(
      `SELECT ${CHANGE_COLUMNS} FROM log WHERE slot BETWEEN ?1 AND ?2 AND ${where}`,
      ...arc,
      key,
    );
    for (const row of rows) yield toChange(row);
  }

  /** The change of this revision, if the log has it. Its slot may have another. */
  #at<T extends Record<string, SqlStorageValue>>(columns: string, revision: number): T[] {
    const where = "slot = ? AND revision = ?";
    return this.#sql
      .exec<T>(`SELECT ${columns} FROM log WHERE ${where}`, this.#ring.slotOf(revision), revision)
      .toArray();
  }
}

const CHANGE_COLUMNS = "revision, previous, key, event, action, ts_us, json, created_us, expires_us, agent";

type ChangeRow = Omit<Change, "ts" | keyof Details> & { ts_us: number } & DetailColumns;

function toChange({ ts_us, created_us, expires_us, agent, ...change }: ChangeRow): Change {
  return { ...change, ts: seconds(ts_us), ...details({ created_us, expires_us, agent }) };
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
