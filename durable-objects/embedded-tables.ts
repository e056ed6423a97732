// The SQL behind the embedded store: its tables, their migrations, and one function per statement. Everything is
// synchronous; who calls `apply` gives it a transaction.

import { LIMITS } from "../config/limits.ts";
import type { Change } from "../sdk/protocol.ts";
import type { EmbeddedOutcome } from "../worker/store/embedded.ts";
import {
  ALL_KEYS,
  type AppliedVersion,
  type AppliedVersions,
  changeOf,
  type EntriesPage,
  type Entry,
  type Idempotency,
  type IdReused,
  type LogSlice,
  type Operation,
  type StoredSchema,
} from "../worker/store/store.ts";

/**
 * Each entry takes the tables from its index to the next version. Never edit one that was released: add another.
 *
 * `entries` keeps a row for every key that was ever written or is watched, and one for `ALL_KEYS` while those are. A deleted value leaves its `ts` and revisions
 * (the tombstone). `revision` is the key's last change of any kind, `value_revision` and `schema_revision` those of
 * what stands now, 0 for nothing. `watcher` is the token of the last `watch`, if nobody has ended it. Times are whole
 * microseconds. In `log` the large column is last, so that scanning the others does not read it. `idempotency` has the
 * `results` of writes that can be repeated, as JSON.
 */
const MIGRATIONS = [
  `CREATE TABLE entries (
     key TEXT PRIMARY KEY,
     revision INTEGER NOT NULL DEFAULT 0,
     watcher TEXT,
     ts_us INTEGER NOT NULL DEFAULT 0,
     value_revision INTEGER NOT NULL DEFAULT 0,
     schema_revision INTEGER NOT NULL DEFAULT 0,
     schema TEXT,
     value TEXT
   ) WITHOUT ROWID;
   CREATE TABLE log (
     revision INTEGER PRIMARY KEY,
     previous INTEGER NOT NULL,
     key TEXT NOT NULL,
     event TEXT NOT NULL,
     action TEXT NOT NULL,
     ts_us INTEGER NOT NULL,
     json TEXT
   );`,
  `CREATE TABLE idempotency (
     id TEXT PRIMARY KEY,
     fingerprint TEXT NOT NULL,
     expires_us INTEGER NOT NULL,
     results TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX idempotency_by_expiry ON idempotency (expires_us);`,
  "ALTER TABLE entries ADD COLUMN schema_ts_us INTEGER NOT NULL DEFAULT 0;",
] as const;

/** Stops one answer from outgrowing the 32 MiB of an RPC message. */
const ANSWER_CHARS = 4 * 1024 * 1024;

/** Keys in one page of entries. */
const PAGE_KEYS = 500;

type Row = {
  revision: number;
  watcher: string | null;
  ts_us: number;
  value_revision: number;
  schema_revision: number;
  schema_ts_us: number;
};

const ABSENT: Row = { revision: 0, watcher: null, ts_us: 0, value_revision: 0, schema_revision: 0, schema_ts_us: 0 };

export class EmbeddedTables {
  readonly #sql: SqlStorage;
  readonly #kv: SyncKvStorage;
  readonly #logLength: number;

  constructor(storage: DurableObjectStorage, { logLength }: { logLength: number }) {
    this.#sql = storage.sql;
    this.#kv = storage.kv;
    this.#logLength = logLength;
    storage.transactionSync(() => {
      const version = storage.kv.get<number>("version") ?? 0;
      for (const migration of MIGRATIONS.slice(version)) this.#sql.exec(migration);
      if (version < MIGRATIONS.length) storage.kv.put("version", MIGRATIONS.length);
    });
  }

  /** Does all operations or none. Every condition is about the state before the first of them. */
  apply(operations: readonly Operation[], nowUs: number, idempotency?: Idempotency): EmbeddedOutcome {
    const earlier = idempotency && this.recall(idempotency, nowUs);
    if (earlier) return earlier;
    for (const operation of operations) {
      if (operation.op !== "set") continue;
      const { schema_revision } = this.#row(operation.key);
      if (schema_revision !== operation.schemaRevision) {
        return { outcome: "schema_changed", key: operation.key, schema: this.schema(operation.key) };
      }
    }
    const namespaceWatched = this.#row(ALL_KEYS).watcher !== null;
    this.#begin(nowUs);
    const results = operations.map((operation) => this.#applyOne(operation, nowUs, namespaceWatched));
    if (idempotency) this.#remember(idempotency, results, nowUs);
    return { outcome: "applied", results };
  }

  recall({ id, fingerprint }: Idempotency, nowUs: number): AppliedVersions | IdReused | null {
    const [row] = this.#sql
      .exec<{ fingerprint: string; results: string }>(
        "SELECT fingerprint, results FROM idempotency WHERE id = ? AND expires_us > ?",
        id,
        nowUs,
      )
      .toArray();
    if (!row) return null;
    return row.fingerprint === fingerprint
      ? { outcome: "applied", results: JSON.parse(row.results) }
      : { outcome: "id_reused" };
  }

  entry(key: string): Entry | null {
    const [row] = this.#sql
      .exec<{ value: string; ts_us: number; revision: number }>(
        "SELECT value, ts_us, value_revision AS revision FROM entries WHERE key = ? AND value_revision > 0",
        key,
      )
      .toArray();
    return row ? { value: row.value, ts: seconds(row.ts_us), revision: row.revision } : null;
  }

  schema(key: string): StoredSchema | null {
    const [row] = this.#sql
      .exec<{ schema: string; ts_us: number; revision: number }>(
        `SELECT schema, schema_ts_us AS ts_us, schema_revision AS revision
         FROM entries WHERE key = ? AND schema_revision > 0`,
        key,
      )
      .toArray();
    return row ? { schema: row.schema, ts: seconds(row.ts_us), revision: row.revision } : null;
  }

  page(after: string): EntriesPage {
    const entries: { key: string; entry: Entry | null; schema: StoredSchema | null }[] = [];
    let chars = 0;
    const rows = this.#sql.exec<Row & { key: string; value: string | null; schema: string | null }>(
      `SELECT * FROM entries WHERE key > ? AND (value_revision > 0 OR schema_revision > 0) ORDER BY key LIMIT ?`,
      after,
      PAGE_KEYS + 1,
    );
    for (const { key, ts_us, value, value_revision, schema, schema_ts_us, schema_revision } of rows) {
      if (entries.length === PAGE_KEYS || chars > ANSWER_CHARS) return { entries, more: true };
      entries.push({
        key,
        entry: value === null ? null : { value, ts: seconds(ts_us), revision: value_revision },
        schema: schema === null ? null : { schema, ts: seconds(schema_ts_us), revision: schema_revision },
      });
      chars += (value?.length ?? 0) + (schema?.length ?? 0);
    }
    return { entries, more: false };
  }

  log(key: string, after: number): LogSlice {
    const head = this.#lastRevision();
    const changes: Change[] = [];
    let more = false;
    let chars = 0;
    for (const change of this.#changes("revision > ? AND (?2 = '' OR key = ?2) ORDER BY revision", after, key)) {
      if (chars > ANSWER_CHARS) {
        more = true;
        break;
      }
      changes.push(change);
      chars += change.json?.length ?? 0;
    }
    return { changes, more, truncated: this.#isTruncated(key, after, changes[0]), head };
  }

  history(key: string, before: number, limit: number): Change[] {
    const changes: Change[] = [];
    let chars = 0;
    for (const change of this.#changes("revision < ? AND key = ? ORDER BY revision DESC", before, key)) {
      if (changes.length === limit || chars > ANSWER_CHARS) break;
      changes.push(change);
      chars += change.json?.length ?? 0;
    }
    return changes;
  }

  /** Whether a change between `after` and the first one that was found has left the log. */
  #isTruncated(key: string, after: number, first: Change | undefined): boolean {
    const { oldest } = this.#sql.exec<{ oldest: number }>("SELECT coalesce(min(revision), 1) AS oldest FROM log").one();
    if (oldest <= after + 1) return false;
    if (key === ALL_KEYS) return true;
    // Of one key nothing is missing as long as its changes still lead from one to the next.
    const { revision } = this.#row(key);
    return first ? first.previous > after : revision > after || revision === 0;
  }

  *#changes(where: string, ...bindings: (string | number)[]): Iterable<Change> {
    const rows = this.#sql.exec<Omit<Change, "ts"> & { ts_us: number }>(
      `SELECT revision, previous, key, event, action, ts_us, json FROM log WHERE ${where}`,
      ...bindings,
    );
    for (const { ts_us, ...change } of rows) yield { ...change, ts: seconds(ts_us) };
  }

  /** Answers the revision of the last change, or where the first one will begin to count. */
  watch(key: string, token: string, nowUs: number): number {
    this.#begin(nowUs);
    this.#sql.exec(
      `INSERT INTO entries (key, watcher) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET watcher = excluded.watcher WHERE watcher IS NOT excluded.watcher`,
      key,
      token,
    );
    return this.#lastRevision();
  }

  unwatch(key: string, token: string): void {
    this.#sql.exec("UPDATE entries SET watcher = NULL WHERE key = ? AND watcher = ?", key, token);
    // Of a key that was never written nothing is left to keep.
    this.#sql.exec("DELETE FROM entries WHERE key = ? AND revision = 0 AND watcher IS NULL", key);
  }

  #remember({ id, fingerprint }: Idempotency, results: AppliedVersions["results"], nowUs: number): void {
    this.#sql.exec("DELETE FROM idempotency WHERE expires_us <= ?", nowUs);
    this.#sql.exec(
      "INSERT INTO idempotency (id, fingerprint, expires_us, results) VALUES (?, ?, ?, ?)",
      id,
      fingerprint,
      nowUs + LIMITS.idempotencySeconds * 1e6,
      JSON.stringify(results),
    );
  }

  #applyOne(operation: Operation, nowUs: number, namespaceWatched: boolean): AppliedVersion | null {
    const { key } = operation;
    const row = this.#row(key);
    const revision = this.#lastRevision() + 1;
    // A value's time never stands still or goes back, whatever the clock does.
    let tsUs = nowUs;
    switch (operation.op) {
      case "set":
        tsUs = Math.max(nowUs, row.ts_us + 1);
        this.#sql.exec(
          `INSERT INTO entries (key, revision, ts_us, value_revision, value) VALUES (?1, ?2, ?3, ?2, ?4)
           ON CONFLICT (key) DO UPDATE SET revision = ?2, ts_us = ?3, value_revision = ?2, value = ?4`,
          key,
          revision,
          tsUs,
          operation.value,
        );
        break;
      case "delete":
        if (row.value_revision === 0) return null;
        tsUs = Math.max(nowUs, row.ts_us + 1);
        this.#sql.exec(
          "UPDATE entries SET revision = ?2, ts_us = ?3, value_revision = 0, value = NULL WHERE key = ?1",
          key,
          revision,
          tsUs,
        );
        break;
      case "schema_set":
        this.#sql.exec(
          `INSERT INTO entries (key, revision, schema_revision, schema, schema_ts_us) VALUES (?1, ?2, ?2, ?3, ?4)
           ON CONFLICT (key) DO UPDATE SET revision = ?2, schema_revision = ?2, schema = ?3, schema_ts_us = ?4`,
          key,
          revision,
          operation.schema,
          nowUs,
        );
        break;
      case "schema_delete":
        if (row.schema_revision === 0) return null;
        this.#sql.exec(
          "UPDATE entries SET revision = ?2, schema_revision = 0, schema = NULL WHERE key = ?1",
          key,
          revision,
        );
        break;
    }
    const version = { revision, previous: row.revision, ts: seconds(tsUs) };
    this.#append(changeOf(operation, version), tsUs);
    return { ...version, watched: row.watcher !== null, namespaceWatched };
  }

  #row(key: string): Row {
    const [row] = this.#sql
      .exec<Row>(
        "SELECT revision, watcher, ts_us, value_revision, schema_revision, schema_ts_us FROM entries WHERE key = ?",
        key,
      )
      .toArray();
    return row ?? ABSENT;
  }

  /**
   * A namespace begins to count at the time in milliseconds. So a store that was emptied or replaced does not give out
   * revisions again that channels, caches and clients of the earlier one remember.
   */
  #begin(nowUs: number): void {
    if (this.#lastRevision() === 0) this.#kv.put("begin", Math.floor(nowUs / 1000));
  }

  /** The log always keeps the last change, so it is also the counter. 0 before anything was done. */
  #lastRevision(): number {
    const { last } = this.#sql.exec<{ last: number | null }>("SELECT max(revision) AS last FROM log").one();
    return last ?? this.#kv.get<number>("begin") ?? 0;
  }

  #append({ revision, previous, key, event, action, json }: Change, tsUs: number): void {
    this.#sql.exec(
      "INSERT INTO log (revision, previous, key, event, action, ts_us, json) VALUES (?, ?, ?, ?, ?, ?, ?)",
      revision,
      previous,
      key,
      event,
      action,
      tsUs,
      json,
    );
    this.#sql.exec("DELETE FROM log WHERE revision <= ?", revision - this.#logLength);
  }
}

function seconds(us: number): number {
  return us / 1e6;
}
