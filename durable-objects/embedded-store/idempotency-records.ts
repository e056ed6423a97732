// The outcomes of writes that have an idempotency key, in SQL, for as long as such a write can be repeated, and for as
// long as there is room. A record has no text of the write.

import { LIMITS } from "../../config/limits.ts";
import type { AppliedVersions, Idempotency, IdReused } from "../../memory/store/store.ts";

/** Records that one write removes at most. It adds one, so the rest is gone soon. */
const MAX_REMOVED = 100;

export class IdempotencyRecords {
  readonly #sql: SqlStorage;
  /** Whether there is any record, once that is known. */
  #any: boolean | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#any = undefined;
  }

  find({ id, fingerprint }: Idempotency, nowUs: number): AppliedVersions | IdReused | null {
    const [row] = this.#sql
      .exec<{ fingerprint: string; results: string; agent: string | null }>(
        "SELECT fingerprint, results, agent FROM idempotency WHERE id = ? AND expires_us > ? AND expires_us <= ?",
        id,
        nowUs,
        latestExpiry(nowUs),
      )
      .toArray();
    if (!row) return null;
    if (row.fingerprint !== fingerprint) return { outcome: "id_reused" };
    return { outcome: "applied", results: parseResults(row.results), by: row.agent ?? undefined };
  }

  /** @param room bytes that the records may have. The oldest ones leave to fit. */
  add({ id, fingerprint }: Idempotency, { results, by }: AppliedVersions, nowUs: number, room: number): void {
    const [last] = this.#sql
      .exec<{ seq: number; total: number }>("SELECT seq, total FROM idempotency ORDER BY seq DESC LIMIT 1")
      .toArray();
    const text = JSON.stringify(results);
    this.#sql.exec(
      `INSERT OR REPLACE INTO idempotency (seq, id, fingerprint, expires_us, total, results, agent)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      (last?.seq ?? 0) + 1,
      id,
      fingerprint,
      latestExpiry(nowUs),
      (last?.total ?? 0) + id.length + fingerprint.length + text.length + LIMITS.rowBytes,
      text,
      by ?? null,
    );
    this.#any = true;
    this.trim(nowUs, room);
  }

  /**
   * Removes records that count no more, and the oldest ones beyond the limits; a bounded number of them in one step.
   * @returns whether there is more to remove
   */
  trim(nowUs: number, room: number): boolean {
    // The newest record also says how many there were and how large, so this reads only rows that leave, and two more.
    const { rowsWritten } = this.#sql.exec(
      `WITH
         first AS (SELECT seq FROM idempotency ORDER BY seq LIMIT 1),
         last AS (SELECT seq, total FROM idempotency ORDER BY seq DESC LIMIT 1)
       DELETE FROM idempotency
       WHERE seq < (SELECT seq FROM first) + ?1 AND seq < coalesce(
         (SELECT seq FROM idempotency
          WHERE expires_us > ?2 AND expires_us <= ?5 AND total > (SELECT total FROM last) - ?3 AND seq > (SELECT seq FROM last) - ?4
          ORDER BY seq LIMIT 1),
         (SELECT seq FROM last) + 1)`,
      MAX_REMOVED,
      nowUs,
      Math.max(LIMITS.minIdempotencyBytes, Math.min(room, LIMITS.maxIdempotencyBytes)),
      LIMITS.maxIdempotencyRecords,
      latestExpiry(nowUs),
    );
    if (rowsWritten > 0) this.#any = undefined;
    return rowsWritten > 0;
  }

  any(): boolean {
    this.#any ??= this.#sql.exec("SELECT 1 FROM idempotency LIMIT 1").toArray().length > 0;
    return this.#any;
  }
}

/** A record that lasts longer was written by a clock that was ahead, and does not count. */
function latestExpiry(nowUs: number): number {
  return nowUs + LIMITS.idempotencySeconds * 1e6;
}

/** Records from before version 4 of the tables have `null` for an operation that changed nothing. */
function parseResults(text: string): AppliedVersions["results"] {
  const results: (AppliedVersions["results"][number] | null)[] = JSON.parse(text);
  return results.map((result) => result ?? { change: null, revision: 0, ts: 0 });
}
