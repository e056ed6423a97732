// What deleted keys leave, in SQL: rows of `entries` with neither a value nor a schema, whose `gone_us` says since when.
// They leave after a day, and earlier if there are too many. Then a key is like one that was never written.

import { LIMITS } from "../../config/limits.ts";

export class Tombstones {
  readonly #sql: SqlStorage;
  readonly #kv: SyncKvStorage;
  /** Keys deleted since the last count, `undefined` before the first count. */
  #uncounted: number | undefined;
  /** When the oldest one leaves, 0 if there is none, once that is known. Earlier if that one is no tombstone any more. */
  #nextUs: number | undefined;

  constructor({ sql, kv }: DurableObjectStorage) {
    this.#sql = sql;
    this.#kv = kv;
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#uncounted = undefined;
    this.#nextUs = undefined;
  }

  /**
   * Call it after a write that left more tombstones, or room for fewer. A count reads a row for each tombstone, so it is
   * taken once in a while.
   */
  added(count: number, nowUs: number, limit: number): void {
    if (count === 0) return;
    if (this.#nextUs === 0) this.#nextUs = undefined;
    if (this.#uncounted !== undefined) this.#uncounted += count;
    if (this.#uncounted === undefined || this.#uncounted > limit / 64) this.trim(nowUs, limit);
  }

  /**
   * Removes tombstones that are older than a day, and the oldest ones beyond the limit; a bounded number in one step.
   * @returns whether there may be more to remove
   */
  trim(nowUs: number, limit: number): boolean {
    // More than came since the last step, so that they become fewer.
    const most = LIMITS.maxExpired + 2 * (this.#uncounted ?? 0);
    this.#uncounted = 0;
    const { count } = this.#sql
      .exec<{ count: number }>("SELECT count(*) AS count FROM entries WHERE gone_us > 0")
      .one();
    const leaving = this.#sql
      .exec<{ key: string; revision: number; gone_us: number }>(
        "SELECT key, revision, gone_us FROM entries WHERE gone_us > 0 ORDER BY gone_us LIMIT ?",
        most,
      )
      .toArray()
      .filter(({ gone_us }, index) => gone_us <= nowUs - LIMITS.tombstoneSeconds * 1e6 || index < count - limit);
    this.#nextUs = undefined;
    if (leaving.length === 0) return false;
    for (const { key } of leaving) this.#sql.exec("DELETE FROM entries WHERE key = ?", key);
    this.#kv.put("forgotten", Math.max(this.forgotten(), ...leaving.map(({ revision }) => revision)));
    return leaving.length === most;
  }

  /** No key without a row has a change after this revision. */
  forgotten(): number {
    return this.#kv.get<number>("forgotten") ?? 0;
  }

  /** When the oldest one leaves; 0 if there is none. */
  nextUs(): number {
    this.#nextUs ??= this.#readNext();
    return this.#nextUs;
  }

  #readNext(): number {
    const [oldest] = this.#sql
      .exec<{ gone_us: number }>("SELECT gone_us FROM entries WHERE gone_us > 0 ORDER BY gone_us LIMIT 1")
      .toArray();
    return oldest ? oldest.gone_us + LIMITS.tombstoneSeconds * 1e6 : 0;
  }
}
