// The SQL behind the embedded store: what a write does, and what becomes of values whose time
// is over. Everything is synchronous; who calls what writes gives it a transaction.

import { LIMITS } from "../../config/limits.ts";
import type { EmbeddedOutcome } from "../../memory/store/embedded.ts";
import {
  ALL_KEYS,
  type AppliedVersion,
  type AppliedVersions,
  changeOf,
  type Idempotency,
  type IdReused,
  type LogSlice,
  type Operation,
  type Quota,
  type Unchanged,
  type Watch,
} from "../../memory/store/store.ts";
import type { Change, CurrentText } from "../../sdk/protocol.ts";
import { ChangeLog } from "./change-log.ts";
import { HeldEntries, seconds } from "./entries.ts";
import { IdempotencyRecords } from "./idempotency-records.ts";
import { migrate } from "./migrations.ts";
import {
  type CurrentRow,
  currentRow,
  findRefused,
  findStaleSchemas,
  heldRevision,
  isOfSchema,
  planWrite,
  type Row,
} from "./plan-write.ts";
import { Usage } from "./quota-usage.ts";

const ABSENT: Row = {
  revision: 0,
  watcher: null,
  ts_us: 0,
  value_revision: 0,
  schema_revision: 0,
  value_bytes: 0,
  schema_bytes: 0,
  expires_us: 0,
};

export class EmbeddedTables {
  readonly #sql: SqlStorage;
  readonly #log: ChangeLog;
  readonly #records: IdempotencyRecords;
  readonly #usage: Usage;
  /** Whether there are times to live, and whether all keys are watched, once it is known. */
  #mayExpire: boolean | undefined;
  #namespaceWatched: boolean | undefined;
  /** To read from. */
  readonly held: HeldEntries;

  constructor(storage: DurableObjectStorage, { logLength, quota }: { logLength: number; quota: Quota }) {
    this.#sql = storage.sql;
    this.held = new HeldEntries(storage.sql);
    this.#log = new ChangeLog(storage, { length: logLength });
    this.#records = new IdempotencyRecords(storage.sql);
    migrate(storage);
    this.#usage = new Usage(storage, quota);
  }

  /** What is remembered of the tables, after a transaction that was rolled back. */
  forget(): void {
    this.held.forget();
    this.#log.forget();
    this.#mayExpire = undefined;
    this.#namespaceWatched = undefined;
  }

  /** Does all operations or none. Every condition is about the state before the first of them. */
  apply(operations: readonly Operation[], nowUs: number, idempotency?: Idempotency): EmbeddedOutcome {
    const earlier = idempotency && this.#records.find(idempotency, nowUs);
    if (earlier) return earlier;
    const rows = new Map(operations.map(({ key }) => [key, this.#row(key, nowUs)]));
    const rowOf = (key: string) => rows.get(key) as CurrentRow;
    const refused = findRefused(operations, rowOf, nowUs);
    if (refused?.outcome === "conflict") {
      const { operation } = refused;
      return { outcome: "conflict", operation, current: this.#current(operations[operation] as Operation, nowUs) };
    }
    if (refused) return { outcome: "ts_ahead", operation: refused.operation };
    const stale = [...findStaleSchemas(operations, rowOf)];
    if (stale.length > 0) {
      return { outcome: "schema_changed", schemas: stale.map((key) => ({ key, schema: this.held.schema(key) })) };
    }
    const { timesUs, moreKeys, moreBytes } = planWrite(operations, rowOf, nowUs);
    const exceeded = this.#usage.exceeded(moreKeys, moreBytes);
    if (exceeded) return exceeded;
    this.#usage.add(moreKeys, moreBytes);

    this.#namespaceWatched ??= this.#row(ALL_KEYS, nowUs).watcher !== null;
    const namespaceWatched = this.#namespaceWatched;
    this.#log.begin(nowUs);
    const results = operations.map((operation, index): AppliedVersion | Unchanged => {
      const atUs = timesUs[index] ?? null;
      // An operation before this one may have changed it.
      const row = rows.size < operations.length ? this.#row(operation.key, nowUs) : rowOf(operation.key);
      if (atUs === null) return { change: null, revision: heldRevision(operation, row), ts: seconds(row.ts_us) };
      // What comes after the end of a value's time is linked to it.
      const previous = operation.op === "set" && row.over ? this.#recordExpiry(operation.key, row) : row.revision;
      const version = { revision: this.#log.head() + 1, previous, ts: seconds(atUs) };
      this.#applyOne(operation, row, version.revision, atUs, nowUs);
      this.#log.append(changeOf(operation, version));
      return { ...version, watched: row.watcher !== null, namespaceWatched };
    });
    const text = idempotency?.keepsText && operations[0]?.op === "set" ? operations[0].value : undefined;
    if (idempotency) this.#records.add(idempotency, { outcome: "applied", results, text }, nowUs);
    return { outcome: "applied", results };
  }

  recall(idempotency: Idempotency, nowUs: number): AppliedVersions | IdReused | null {
    return this.#records.find(idempotency, nowUs);
  }

  log(key: string, after: number): LogSlice {
    return this.#log.read(key, after, this.#row(key, 0).revision);
  }

  history(key: string, before: number, limit: number, nowUs: number): Change[] {
    this.#settle(key, nowUs);
    return this.#log.readBack(key, before, limit);
  }

  /** The head is the revision of the last change, or where the first one will begin to count. */
  watch(key: string, token: string, nowUs: number): Watch {
    this.#namespaceWatched = undefined;
    this.#log.begin(nowUs);
    if (key === ALL_KEYS) this.expire(nowUs);
    else this.#settle(key, nowUs);
    this.#sql.exec(
      `INSERT INTO entries (key, watcher) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET watcher = excluded.watcher WHERE watcher IS NOT excluded.watcher`,
      key,
      token,
    );
    const nextUs = key === ALL_KEYS ? this.nextExpiryUs() : this.#row(key, 0).expires_us;
    return { head: this.#log.head(), expiresInMs: nextUs ? Math.max(0, Math.ceil((nextUs - nowUs) / 1000)) : null };
  }

  /** Makes changes of the values whose time is over, of a limited number. */
  expire(nowUs: number): void {
    const due = this.#sql
      .exec<{ key: string }>(
        "SELECT key FROM expiries WHERE expires_us <= ? ORDER BY expires_us LIMIT ?",
        nowUs,
        LIMITS.maxExpired,
      )
      .toArray();
    for (const { key } of due) this.#settle(key, nowUs);
  }

  /** `false` where no value expires. */
  mayExpire(): boolean {
    return this.#mayExpire ?? this.nextExpiryUs() > 0;
  }

  /** When the next value expires; 0 if none does. */
  nextExpiryUs(): number {
    const { next } = this.#sql
      .exec<{ next: number }>("SELECT coalesce(min(expires_us), 0) AS next FROM expiries")
      .one();
    this.#mayExpire = next > 0;
    return next;
  }

  unwatch(key: string, token: string): void {
    this.#namespaceWatched = undefined;
    this.#sql.exec("UPDATE entries SET watcher = NULL WHERE key = ? AND watcher = ?", key, token);
    // Of a key that was never written nothing is left to keep.
    this.#sql.exec("DELETE FROM entries WHERE key = ? AND revision = 0 AND watcher IS NULL", key);
  }

  #applyOne(operation: Operation, row: CurrentRow, revision: number, atUs: number, nowUs: number): void {
    const { key } = operation;
    this.held.forget(key);
    switch (operation.op) {
      case "set":
        this.#sql.exec(
          `INSERT INTO entries (key, revision, ts_us, value_revision, value) VALUES (?1, ?2, ?3, ?2, ?4)
           ON CONFLICT (key) DO UPDATE SET revision = ?2, ts_us = ?3, value_revision = ?2, value = ?4`,
          key,
          revision,
          atUs,
          operation.value,
        );
        if (operation.ttl === undefined && row.expires_us === 0) return;
        if (operation.ttl !== "keep") this.#setExpiry(key, operation.ttl && nowUs + Math.round(operation.ttl * 1e6));
        return;
      case "delete":
        this.#removeValue(key, revision, atUs);
        return;
      case "schema_set":
        this.#sql.exec(
          `INSERT INTO entries (key, revision, schema_revision, schema, schema_ts_us) VALUES (?1, ?2, ?2, ?3, ?4)
           ON CONFLICT (key) DO UPDATE SET revision = ?2, schema_revision = ?2, schema = ?3, schema_ts_us = ?4`,
          key,
          revision,
          operation.schema,
          atUs,
        );
        return;
      case "schema_delete":
        this.#sql.exec(
          "UPDATE entries SET revision = ?2, schema_revision = 0, schema = NULL WHERE key = ?1",
          key,
          revision,
        );
        return;
      case "check":
        return;
    }
  }

  #removeValue(key: string, revision: number, atUs: number): void {
    this.held.forget(key);
    this.#sql.exec(
      "UPDATE entries SET revision = ?2, ts_us = ?3, value_revision = 0, value = NULL WHERE key = ?1",
      key,
      revision,
      atUs,
    );
    this.#setExpiry(key, undefined);
  }

  #setExpiry(key: string, expiresUs: number | undefined): void {
    if (expiresUs === undefined) this.#sql.exec("DELETE FROM expiries WHERE key = ?", key);
    else {
      this.#sql.exec("INSERT OR REPLACE INTO expiries (key, expires_us) VALUES (?, ?)", key, expiresUs);
      this.#mayExpire = true;
    }
  }

  /** Makes the end of a value's time a change, if it is over. */
  #settle(key: string, nowUs: number): void {
    const row = this.#row(key, nowUs);
    if (!row.over) return;
    this.#usage.add(row.schema_revision > 0 ? 0 : -1, -row.value_bytes);
    this.#recordExpiry(key, row);
  }

  #recordExpiry(key: string, { ts_us, revision: previous }: CurrentRow): number {
    const revision = this.#log.head() + 1;
    this.#removeValue(key, revision, ts_us);
    this.#log.append({ event: "value", action: "expire", key, revision, previous, ts: seconds(ts_us), json: null });
    return revision;
  }

  /** What the key holds, of the kind that the operation is about. */
  #current(operation: Operation, nowUs: number): CurrentText | null {
    if (isOfSchema(operation)) {
      const stored = this.held.schema(operation.key);
      return stored && { text: stored.schema, ts: stored.ts, revision: stored.revision };
    }
    const entry = this.held.entry(operation.key, nowUs);
    return entry && { text: entry.value, ts: entry.ts, revision: entry.revision };
  }

  #row(key: string, nowUs: number): CurrentRow {
    const [row] = this.#sql
      .exec<Row>(
        `SELECT revision, watcher, ts_us, value_revision, schema_revision, coalesce(octet_length(value), 0) AS value_bytes,
           coalesce(octet_length(schema), 0) AS schema_bytes,
           coalesce((SELECT expires_us FROM expiries WHERE key = ?1), 0) AS expires_us
         FROM entries WHERE key = ?1`,
        key,
      )
      .toArray();
    return currentRow(row ?? ABSENT, nowUs);
  }
}
