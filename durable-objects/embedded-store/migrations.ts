// The tables of the embedded store, and how an object with tables of an earlier version gets them.

import { NEWER_TABLES } from "../../memory/store/embedded.ts";

/**
 * Each entry migrates the tables from the version that is its index to the next. Never edit one: add one. The test
 * test/store/migrations.test.ts has a checksum of each.
 *
 * `entries` has a row for every key that has a value or a schema or is watched, and one for `ALL_KEYS` while all keys are
 * watched. A deleted key leaves its `ts` and revision for a day (the tombstone); `gone_us` says since when, and is 0 for
 * every other row. `revision` is that of the key's last change
 * of any kind, `value_revision` and `schema_revision` are those of the current value and schema, 0 if there is none.
 * `watcher` is the token of the last `watch`, until it ends. Times are whole microseconds. In `log` the large column
 * comes after those that a search reads, so that a search does not read it. `idempotency` has the `results` of writes
 * that can be repeated, as JSON. In both, `total` is what this row and all rows before it count for, in bytes, including
 * those that are gone. `slot` is the place of a change in the ring, and below 0 until `LogRing` has laid it out. `expiries` has the keys whose value has a ttl. It
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
  `DELETE FROM log WHERE revision < (SELECT max(revision) FROM log) AND revision <= (
     SELECT revision FROM (
       SELECT revision, sum(octet_length(key) + coalesce(octet_length(json), 0) + 100) OVER (ORDER BY revision DESC) AS later
       FROM log)
     WHERE later > 16777216 ORDER BY revision DESC LIMIT 1);
   CREATE TABLE sized_log (
     revision INTEGER PRIMARY KEY,
     previous INTEGER NOT NULL,
     key TEXT NOT NULL,
     event TEXT NOT NULL,
     action TEXT NOT NULL,
     ts_us INTEGER NOT NULL,
     created_us INTEGER,
     expires_us INTEGER,
     agent TEXT,
     total INTEGER NOT NULL,
     json TEXT
   );
   INSERT INTO sized_log
     SELECT revision, previous, key, event, action, ts_us, created_us, expires_us, agent,
       sum(octet_length(key) + coalesce(octet_length(json), 0) + 100) OVER (ORDER BY revision), json
     FROM log;
   DROP TABLE log;
   ALTER TABLE sized_log RENAME TO log;
   CREATE TABLE sized_idempotency (
     seq INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     fingerprint TEXT NOT NULL,
     expires_us INTEGER NOT NULL,
     total INTEGER NOT NULL,
     results TEXT NOT NULL,
     agent TEXT
   );
   INSERT INTO sized_idempotency
     SELECT row_number() OVER (ORDER BY expires_us, id), id, fingerprint, expires_us,
       sum(octet_length(id) + octet_length(fingerprint) + octet_length(results) + 100) OVER (ORDER BY expires_us, id),
       results, agent
     FROM idempotency;
   DROP TABLE idempotency;
   ALTER TABLE sized_idempotency RENAME TO idempotency;
   ALTER TABLE entries ADD COLUMN gone_us INTEGER NOT NULL DEFAULT 0;
   UPDATE entries SET gone_us = max(ts_us, schema_ts_us, 1)
     WHERE revision > 0 AND value_revision = 0 AND schema_revision = 0 AND watcher IS NULL;
   CREATE INDEX entries_by_gone ON entries (gone_us) WHERE gone_us > 0;`,
  `CREATE TABLE ring_log (
     slot INTEGER PRIMARY KEY,
     revision INTEGER NOT NULL,
     previous INTEGER NOT NULL,
     key TEXT NOT NULL,
     event TEXT NOT NULL,
     action TEXT NOT NULL,
     ts_us INTEGER NOT NULL,
     created_us INTEGER,
     expires_us INTEGER,
     agent TEXT,
     total INTEGER NOT NULL,
     json TEXT
   );
   INSERT INTO ring_log
     SELECT -revision, revision, previous, key, event, action, ts_us, created_us, expires_us, agent, total, json
     FROM log ORDER BY revision DESC;
   DROP TABLE log;
   ALTER TABLE ring_log RENAME TO log;`,
] as const;

/**
 * Runs the migrations that this object has not run, in one transaction.
 * @throws {Error} with `NEWER_TABLES`, and changes nothing, if a later memX has run more
 */
export function migrate(storage: DurableObjectStorage): void {
  storage.transactionSync(() => {
    const version = storage.kv.get<number>("version") ?? 0;
    if (version > MIGRATIONS.length) {
      throw new Error(`${NEWER_TABLES}: version ${version}, and this memX knows ${MIGRATIONS.length}.`);
    }
    if (version > 0 && version < MIGRATIONS.length) renewWatched(storage.sql);
    for (const migration of MIGRATIONS.slice(version)) storage.sql.exec(migration);
    if (version < MIGRATIONS.length) storage.kv.put("version", MIGRATIONS.length);
  });
}

/**
 * The first entry was edited once, in its first hour: before, `entries` had a flag `watched` and no token. Channels that are
 * still there set their mark again within 30 seconds.
 */
function renewWatched(sql: SqlStorage): void {
  const { old } = sql
    .exec<{ old: number }>("SELECT count(*) AS old FROM pragma_table_info('entries') WHERE name = 'watched'")
    .one();
  if (old === 0) return;
  sql.exec(`ALTER TABLE entries DROP COLUMN watched;
    ALTER TABLE entries ADD COLUMN watcher TEXT;
    DELETE FROM entries WHERE revision = 0;`);
}
