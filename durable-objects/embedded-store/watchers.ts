// Which keys a channel watches, in SQL: the `watcher` column of `entries`.

import { ALL_KEYS } from "../../memory/store/store.ts";

export class Watchers {
  readonly #sql: SqlStorage;
  /** Whether all keys are watched, once that is known: every write asks. */
  #namespaceWatched: boolean | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#namespaceWatched = undefined;
  }

  set(key: string, token: string): void {
    this.#namespaceWatched = undefined;
    this.#sql.exec(
      `INSERT INTO entries (key, watcher) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET watcher = excluded.watcher, gone_us = 0 WHERE watcher IS NOT excluded.watcher`,
      key,
      token,
    );
  }

  clear(key: string, token: string, nowUs: number): void {
    this.#namespaceWatched = undefined;
    // A deleted key's day begins when its watch ends.
    this.#sql.exec(
      `UPDATE entries SET watcher = NULL,
         gone_us = CASE WHEN value_revision = 0 AND schema_revision = 0 AND revision > 0 THEN ?3 ELSE 0 END
       WHERE key = ?1 AND watcher = ?2`,
      key,
      token,
      nowUs,
    );
    // A key that was never written leaves no row.
    this.#sql.exec("DELETE FROM entries WHERE key = ? AND revision = 0 AND watcher IS NULL", key);
  }

  namespaceWatched(): boolean {
    this.#namespaceWatched ??=
      this.#sql.exec("SELECT key FROM entries WHERE key = ? AND watcher IS NOT NULL", ALL_KEYS).toArray().length > 0;
    return this.#namespaceWatched;
  }
}
