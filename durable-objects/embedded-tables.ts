// The SQL behind the embedded store: its tables and their migrations, what a write does, and what a key holds. Everything
// is synchronous; who calls `apply` gives it a transaction.

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
import { ANSWER_CHARS, ChangeLog } from "./change-log.ts";
import { IdempotencyRecords } from "./idempotency-records.ts";

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
  readonly #log: ChangeLog;
  readonly #records: IdempotencyRecords;

  constructor(storage: DurableObjectStorage, { logLength }: { logLength: number }) {
    this.#sql = storage.sql;
    this.#log = new ChangeLog(storage, { length: logLength });
    this.#records = new IdempotencyRecords(storage.sql);
    storage.transactionSync(() => {
      const version = storage.kv.get<number>("version") ?? 0;
      for (const migration of MIGRATIONS.slice(version)) this.#sql.exec(migration);
      if (version < MIGRATIONS.length) storage.kv.put("version", MIGRATIONS.length);
    });
  }

  /** Does all operations or none. Every condition is about the state before the first of them. */
  apply(operations: readonly Operation[], nowUs: number, idempotency?: Idempotency): EmbeddedOutcome {
    const earlier = idempotency && this.#records.find(idempotency, nowUs);
    if (earlier) return earlier;
    for (const operation of operations) {
      if (operation.op !== "set") continue;
      const { schema_revision } = this.#row(operation.key);
      if (schema_revision !== operation.schemaRevision) {
        return { outcome: "schema_changed", key: operation.key, schema: this.schema(operation.key) };
      }
    }
    const namespaceWatched = this.#row(ALL_KEYS).watcher !== null;
    this.#log.begin(nowUs);
    const results = operations.map((operation) => this.#applyOne(operation, nowUs, namespaceWatched));
    if (idempotency) this.#records.add(idempotency, results, nowUs);
    return { outcome: "applied", results };
  }

  recall(idempotency: Idempotency, nowUs: number): AppliedVersions | IdReused | null {
    return this.#records.find(idempotency, nowUs);
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
    return this.#log.read(key, after, this.#row(key).revision);
  }

  history(key: string, before: number, limit: number): Change[] {
    return this.#log.readBack(key, before, limit);
  }

  /** Answers the revision of the last change, or where the first one will begin to count. */
  watch(key: string, token: string, nowUs: number): number {
    this.#log.begin(nowUs);
    this.#sql.exec(
      `INSERT INTO entries (key, watcher) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET watcher = excluded.watcher WHERE watcher IS NOT excluded.watcher`,
      key,
      token,
    );
    return this.#log.head();
  }

  unwatch(key: string, token: string): void {
    this.#sql.exec("UPDATE entries SET watcher = NULL WHERE key = ? AND watcher = ?", key, token);
    // Of a key that was never written nothing is left to keep.
    this.#sql.exec("DELETE FROM entries WHERE key = ? AND revision = 0 AND watcher IS NULL", key);
  }

  #applyOne(operation: Operation, nowUs: number, namespaceWatched: boolean): AppliedVersion | null {
    const { key } = operation;
    const row = this.#row(key);
    const revision = this.#log.head() + 1;
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
    this.#log.append(changeOf(operation, version));
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
}

function seconds(us: number): number {
  return us / 1e6;
}
