// The outcomes of writes that have an idempotency key, in SQL, for as long as such a write can be repeated.

import { LIMITS } from "../../config/limits.ts";
import type { AppliedVersions, Idempotency, IdReused } from "../../memory/store/store.ts";

export class IdempotencyRecords {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  find({ id, fingerprint }: Idempotency, nowUs: number): AppliedVersions | IdReused | null {
    const [row] = this.#sql
      .exec<{ fingerprint: string; results: string; text: string | null; agent: string | null }>(
        "SELECT fingerprint, results, text, agent FROM idempotency WHERE id = ? AND expires_us > ?",
        id,
        nowUs,
      )
      .toArray();
    if (!row) return null;
    if (row.fingerprint !== fingerprint) return { outcome: "id_reused" };
    const [results, by, text] = [parseResults(row.results), row.agent ?? undefined, row.text ?? undefined];
    return { outcome: "applied", results, by, text };
  }

  add({ id, fingerprint }: Idempotency, { results, by, text }: AppliedVersions, nowUs: number): void {
    this.#sql.exec("DELETE FROM idempotency WHERE expires_us <= ?", nowUs);
    this.#sql.exec(
      "INSERT INTO idempotency (id, fingerprint, expires_us, results, text, agent) VALUES (?, ?, ?, ?, ?, ?)",
      id,
      fingerprint,
      nowUs + LIMITS.idempotencySeconds * 1e6,
      JSON.stringify(results),
      text ?? null,
      by ?? null,
    );
  }
}

/** Records from before version 4 of the tables have `null` for an operation that changed nothing. */
function parseResults(text: string): AppliedVersions["results"] {
  const results: (AppliedVersions["results"][number] | null)[] = JSON.parse(text);
  return results.map((result) => result ?? { change: null, revision: 0, ts: 0 });
}
