// The keys of a namespace with their values and schemas, in SQL: what callers read and what changes write. To readers a
// value that has expired is absent, whether or not its expiry is a change already.

import { LRUCache } from "lru-cache";
import { utf8Length } from "../../memory/json-text.ts";
import type {
  Entry,
  KeysPage,
  KeysQuery,
  ListedKey,
  NamesPage,
  StoredKey,
  StoredName,
  StoredSchema,
} from "../../memory/store/store.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { MAX_PAGE_CHARS, MAX_RESPONSE_CHARS } from "./change-log.ts";
import { type DetailColumns, details, seconds } from "./columns.ts";
import { ABSENT, type CurrentRow, currentRow, type Row } from "./row.ts";

/** Characters of the entries that are kept in memory. An object has 128 MB for everything. */
const KNOWN_CHARS = 4 * 1024 * 1024;

/** Keys whose rows are kept in memory, without their texts. With the longest keys they take about 5 MB. */
const KNOWN_ROWS = 8_000;

/** Rows that one page of names looks at. */
const PAGE_ROWS = 1_000;

/** For a query that joins `expiries` and takes the time as its third parameter. */
const IS_OVER = "coalesce(expires_us <= ?3, 0)";

/** The revision and the time of a change. */
type At = { readonly revision: number; readonly atUs: number };

/** The same, and the name that its writer gave itself. */
type Write = At & { readonly by: string | undefined };

type SchemaColumns = {
  readonly schema: string | null;
  readonly schema_ts_us: number;
  readonly schema_revision: number;
  readonly schema_agent: string | null;
};

type EntryRow = {
  key: string;
  ts_us: number;
  value_revision: number;
  value: string | null;
  over: number;
} & DetailColumns;

export class Entries {
  readonly #sql: SqlStorage;
  /** Recently read entries, kept current, because a SQLite transaction takes longer than the rest of a read. */
  readonly #known = new LRUCache<string, { readonly entry: Entry; readonly expiresUs: number }>({
    maxSize: KNOWN_CHARS,
    sizeCalculation: ({ entry }, key) => key.length + entry.value.length + 64,
  });

  /** What a write needs to know of keys that have a value, for the same reason. */
  readonly #knownRows = new LRUCache<string, Row>({ max: KNOWN_ROWS });

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  entry(key: string, nowUs: number): Entry | null {
    const known = this.#known.get(key) ?? this.#read(key);
    return known && known.expiresUs > nowUs ? known.entry : null;
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.#known.clear();
    this.#knownRows.clear();
  }

  /** Call it after a change to the key's row that is not made here. */
  forgetRow(key: string): void {
    this.#knownRows.delete(key);
  }

  #read(key: string) {
    const [row] = this.#sql
      .exec<{ value: string; ts_us: number; revision: number } & DetailColumns>(
        `SELECT value, ts_us, value_revision AS revision, created_us, expires_us, agent
         FROM entries LEFT JOIN expiries USING (key) WHERE key = ? AND value_revision > 0`,
        key,
      )
      .toArray();
    if (!row) return undefined;
    const { value, ts_us, revision } = row;
    const entry = { value, ts: seconds(ts_us), revision, ...details(row) };
    const known = { entry, expiresUs: row.expires_us ?? Number.POSITIVE_INFINITY };
    this.#known.set(key, known);
    return known;
  }

  /** The key's current value if this revision set it. It may have expired. */
  valueAt(key: string | undefined, revision: number): JsonText | null {
    if (key === undefined) return null;
    const known = this.#known.get(key) ?? this.#read(key);
    return known?.entry.revision === revision ? known.entry.value : null;
  }

  schema(key: string): StoredSchema | null {
    const [row] = this.#sql
      .exec<SchemaColumns>(
        `SELECT schema, schema_ts_us, schema_revision, schema_agent FROM entries WHERE key = ? AND schema_revision > 0`,
        key,
      )
      .toArray();
    return row ? toSchema(row) : null;
  }

  /** Looks at up to `PAGE_ROWS` rows, including rows of deleted keys, and reads no text. */
  names(after: string, nowUs: number): NamesPage {
    const names: StoredName[] = [];
    const rows = this.#sql
      .exec<{ key: string; value_revision: number; schema_revision: number; over: number }>(
        `SELECT key, value_revision, schema_revision, ${IS_OVER} AS over FROM entries LEFT JOIN expiries USING (key)
         WHERE key > ?1 ORDER BY key LIMIT ?2`,
        after,
        PAGE_ROWS,
        nowUs,
      )
      .toArray();
    for (const { key, value_revision, schema_revision: schemaRevision, over } of rows) {
      const valueRevision = over ? 0 : value_revision;
      if (valueRevision > 0 || schemaRevision > 0) names.push({ key, valueRevision, schemaRevision });
    }
    return { names, next: rows.length < PAGE_ROWS ? null : (rows.at(-1)?.key ?? null) };
  }

  /** As many of the keys as one page may hold, and at least one. */
  stored(keys: readonly string[], nowUs: number): StoredKey[] {
    const stored: StoredKey[] = [];
    let chars = 0;
    for (const key of keys) {
      if (chars > MAX_PAGE_CHARS) break;
      const [row] = this.#sql
        .exec<EntryRow & SchemaColumns>(
          `SELECT entries.*, expires_us, coalesce(expires_us <= ?2, 0) AS over FROM entries LEFT JOIN expiries USING (key)
           WHERE key = ?1`,
          key,
          nowUs,
        )
        .toArray();
      if (!row || row.value === null || row.over) stored.push({ key, entry: null, schema: row ? toSchema(row) : null });
      else {
        const { ts_us, value, value_revision: revision } = row;
        stored.push({ key, entry: { value, ts: seconds(ts_us), revision, ...details(row) }, schema: toSchema(row) });
      }
      chars += (row?.value?.length ?? 0) + (row?.schema?.length ?? 0);
    }
    return stored;
  }

  /** Looks at up to `limit` rows, including rows of deleted keys. */
  keys({ prefix, after, limit, values }: KeysQuery, nowUs: number): Omit<KeysPage, "head"> {
    const keys: ListedKey[] = [];
    let [last, looked, chars] = [after, 0, 0];
    const rows = this.#sql.exec<EntryRow>(
      `SELECT key, ts_us, value_revision, ${IS_OVER} AS over,
         ${values ? "value, created_us, expires_us, agent" : "NULL AS value"}
       FROM entries LEFT JOIN expiries USING (key)
       WHERE ${after === "" && prefix !== "" ? "key >= ?1" : "key > ?1"} ORDER BY key LIMIT ?2`,
      after || prefix,
      limit + 1,
      nowUs,
    );
    for (const row of rows) {
      const { key, ts_us, value, value_revision: revision, over } = row;
      if (!key.startsWith(prefix)) break;
      if (looked++ === limit || chars > MAX_RESPONSE_CHARS) return { keys, next: last };
      last = key;
      if (revision === 0 || over) continue;
      keys.push({ key, ts: seconds(ts_us), revision, value, ...(values && details(row)) });
      chars += value?.length ?? 0;
    }
    return { keys, next: null };
  }

  row(key: string, nowUs: number): CurrentRow {
    return currentRow(this.#knownRows.get(key) ?? this.#readRow(key), nowUs);
  }

  /** A key without a value may be a tombstone, which leaves at any time. */
  #rememberRow(key: string, row: Row): void {
    if (row.value_revision > 0) this.#knownRows.set(key, row);
  }

  #readRow(key: string): Row {
    const [row = ABSENT] = this.#sql
      .exec<Row>(
        `SELECT revision, watcher, ts_us, value_revision, schema_revision, coalesce(octet_length(value), 0) AS value_bytes,
           coalesce(octet_length(schema), 0) AS schema_bytes,
           coalesce((SELECT expires_us FROM expiries WHERE key = ?1), 0) AS expires_us
         FROM entries WHERE key = ?1`,
        key,
      )
      .toArray();
    this.#rememberRow(key, row);
    return row;
  }

  /**
   * Returns the time of the first set since the key had no value; 0 if that is not known.
   * @param row the key's row before, with the time at which the new value expires
   */
  setValue(key: string, value: JsonText, { revision, atUs, by }: Write, row: Row): number {
    this.#known.delete(key);
    const { created_us } = this.#sql
      .exec<{ created_us: number }>(
        `INSERT INTO entries (key, revision, ts_us, value_revision, value, created_us, agent)
         VALUES (?1, ?2, ?3, ?2, ?4, ?3, ?5)
         ON CONFLICT (key) DO UPDATE SET revision = ?2, ts_us = ?3, value_revision = ?2, value = ?4, agent = ?5,
           gone_us = 0, created_us = CASE WHEN value_revision > 0 THEN created_us ELSE ?3 END
         RETURNING created_us`,
        key,
        revision,
        atUs,
        value,
        by ?? null,
      )
      .one();
    const value_bytes = utf8Length(value);
    this.#rememberRow(key, { ...row, revision, ts_us: atUs, value_revision: revision, value_bytes });
    return created_us;
  }

  /** Leaves the revision and the time of the removal: a tombstone, unless the key has a schema or is watched. */
  removeValue(key: string, { revision, atUs }: At, nowUs: number): void {
    this.#knownRows.delete(key);
    this.#known.delete(key);
    this.#sql.exec(
      `UPDATE entries SET revision = ?2, ts_us = ?3, value_revision = 0, value = NULL, created_us = 0, agent = NULL,
         gone_us = CASE WHEN schema_revision = 0 AND watcher IS NULL THEN ?4 ELSE 0 END
       WHERE key = ?1`,
      key,
      revision,
      atUs,
      nowUs,
    );
  }

  setSchema(key: string, schema: JsonText, { revision, atUs, by }: Write): void {
    this.#knownRows.delete(key);
    this.#sql.exec(
      `INSERT INTO entries (key, revision, schema_revision, schema, schema_ts_us, schema_agent)
       VALUES (?1, ?2, ?2, ?3, ?4, ?5)
       ON CONFLICT (key) DO UPDATE SET revision = ?2, schema_revision = ?2, schema = ?3, schema_ts_us = ?4,
         schema_agent = ?5, gone_us = 0`,
      key,
      revision,
      schema,
      atUs,
      by ?? null,
    );
  }

  removeSchema(key: string, revision: number, nowUs: number): void {
    this.#knownRows.delete(key);
    this.#sql.exec(
      `UPDATE entries SET revision = ?2, schema_revision = 0, schema = NULL, schema_agent = NULL,
         gone_us = CASE WHEN value_revision = 0 AND watcher IS NULL THEN ?3 ELSE 0 END
       WHERE key = ?1`,
      key,
      revision,
      nowUs,
    );
  }
}

function toSchema({
  schema,
  schema_ts_us,
  schema_revision: revision,
  schema_agent,
}: SchemaColumns): StoredSchema | null {
  if (schema === null) return null;
  return { schema, ts: seconds(schema_ts_us), revision, ...(schema_agent !== null && { by: schema_agent }) };
}
