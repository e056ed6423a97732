// The tables of the embedded store, and how an object with tables of an earlier version gets them.

/**
 * Each entry migrates the tables from the version that is its index to the next. Never edit a released one: add one.
 *
 * `entries` has a row for every key that was ever written or is watched, and one for `ALL_KEYS` while all keys are
 * watched. A deleted value leaves its `ts` and revisions (the tombstone). `revision` is that of the key's last change
 * of any kind, `value_revision` and `schema_revision` are those of the current value and schema, 0 if there is none.
 * `watcher` is the token of the last `watch`, until it ends. Times are whole microseconds. In `log` the large column
 * comes after those that a search reads, so that a search does not read it. `idempotency` has the `results` of writes
 * that can be repeated, as JSON, and the text that some of them keep. `expiries` has the keys whose value has a ttl. It
 * is a table of its own, so that finding them reads no values. `created_us` is the time of the first set since the key
 * had no value, 0 if an earlier version wrote it. An `agent` is the name that a writer gave itself.
 */
export const MIGRATIONS = [
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
  `CREATE TABLE expiries (key TEXT PRIMARY KEY, expires_us INTEGER NOT NULL) WITHOUT ROWID;
   CREATE INDEX expiries_by_time ON expiries (expires_us);
   ALTER TABLE idempotency ADD COLUMN text TEXT;`,
  `ALTER TABLE entries ADD COLUMN created_us INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE entries ADD COLUMN agent TEXT;
   ALTER TABLE entries ADD COLUMN schema_agent TEXT;
   ALTER TABLE log ADD COLUMN created_us INTEGER;
   ALTER TABLE log ADD COLUMN expires_us INTEGER;
   ALTER TABLE log ADD COLUMN agent TEXT;
   ALTER TABLE idempotency ADD COLUMN agent TEXT;`,
] as const;

/** Runs the migrations that this object has not run, in one transaction. */
export function migrate(storage: DurableObjectStorage): void {
  storage.transactionSync(() => {
    const version = storage.kv.get<number>("version") ?? 0;
    for (const migration of MIGRATIONS.slice(version)) storage.sql.exec(migration);
    if (version < MIGRATIONS.length) storage.kv.put("version", MIGRATIONS.length);
  });
}
