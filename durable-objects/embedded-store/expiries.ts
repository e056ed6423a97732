// The times at which values expire, in SQL. A table of their own, so that finding the next one reads no values.

import { LIMITS } from "../../config/limits.ts";

export class Expiries {
  readonly #sql: SqlStorage;
  /** Whether any value expires, once that is known. */
  #any: boolean | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#any = undefined;
  }

  set(key: string, expiresUs: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO expiries (key, expires_us) VALUES (?, ?)", key, expiresUs);
    this.#any = true;
  }

  clear(key: string): void {
    this.#sql.exec("DELETE FROM expiries WHERE key = ?", key);
  }

  /** Up to `maxExpired` keys whose values have expired, earliest first. */
  due(nowUs: number): string[] {
    return this.#sql
      .exec<{ key: string }>(
        "SELECT key FROM expiries WHERE expires_us <= ? ORDER BY expires_us LIMIT ?",
        nowUs,
        LIMITS.maxExpired,
      )
      .toArray()
      .map(({ key }) => key);
  }

  /** When the next value expires; 0 if none does. */
  nextUs(): number {
    const { next } = this.#sql
      .exec<{ next: number }>("SELECT coalesce(min(expires_us), 0) AS next FROM expiries")
      .one();
    this.#any = next > 0;
    return next;
  }

  /** `false` if no value expires. May still be `true` after the last one has. */
  any(): boolean {
    return this.#any ?? this.nextUs() > 0;
  }
}
