// One namespace on the embedded store: what its writes, reads, watches and expiries do to the tables. All methods are
// synchronous. The caller runs each method that writes in a transaction, and calls `forget` after a rollback.

import { LIMITS } from "../../config/limits.ts";
import { utf8Length } from "../../memory/json-text.ts";
import type { EmbeddedOutcome } from "../../memory/store/embedded-replies.ts";
import { entryRead } from "../../memory/store/entry-read.ts";
import {
  ALL_KEYS,
  type AppliedVersion,
  type AppliedVersions,
  changeOf,
  currentSchema,
  currentValue,
  type Entry,
  type EntryRead,
  type History,
  type Idempotency,
  type IdReused,
  type KeysPage,
  type KeysQuery,
  type LogScan,
  type LogSlice,
  type ManyRead,
  type Operation,
  type Quota,
  type SchemaRead,
  type Unchanged,
  type ValueGone,
  type Watch,
  type WriteOptions,
} from "../../memory/store/store.ts";
import type { Change, CurrentText, Details } from "../../sdk/protocol.ts";
import { ChangeLog } from "./change-log.ts";
import { details, microseconds, seconds } from "./columns.ts";
import { Entries } from "./entries.ts";
import { Expiries } from "./expiries.ts";
import { IdempotencyRecords } from "./idempotency-records.ts";
import { migrate } from "./migrations.ts";
import { currentRevision, findRefused, findStaleSchemas, isOfSchema, planWrite } from "./plan-write.ts";
import { QuotaUsage } from "./quota-usage.ts";
import type { CurrentRow } from "./row.ts";
import { Tombstones } from "./tombstones.ts";
import { Watchers } from "./watchers.ts";

export class Namespace {
  readonly entries: Entries;
  readonly expiries: Expiries;
  readonly #log: ChangeLog;
  readonly #watchers: Watchers;
  readonly #records: IdempotencyRecords;
  readonly #tombstones: Tombstones;
  readonly #usage: QuotaUsage;

  constructor(storage: DurableObjectStorage, { logLength, quota }: { logLength: number; quota: Quota }) {
    migrate(storage);
    this.entries = new Entries(storage.sql);
    this.expiries = new Expiries(storage.sql);
    this.#log = new ChangeLog(storage, { length: logLength });
    this.#watchers = new Watchers(storage.sql);
    this.#records = new IdempotencyRecords(storage.sql);
    this.#tombstones = new Tombstones(storage);
    this.#usage = new QuotaUsage(storage, quota);
  }

  /** Forgets what is in memory, after a transaction was rolled back. */
  forget(): void {
    this.entries.forget();
    this.expiries.forget();
    this.#log.forget();
    this.#watchers.forget();
    this.#records.forget();
    this.#tombstones.forget();
  }

  /** Applies all operations or none. Every condition is about the state before the first operation. */
  apply(operations: readonly Operation[], nowUs: number, { idempotency, by }: WriteOptions = {}): EmbeddedOutcome {
    const earlier = idempotency && this.recall(idempotency, operations[0]?.key, nowUs);
    if (earlier) return earlier;
    const rows = new Map(operations.map(({ key }) => [key, this.entries.row(key, nowUs)]));
    const rowOf = (key: string) => rows.get(key) as CurrentRow;
    const refused = findRefused(operations, rowOf, nowUs);
    if (refused?.outcome === "conflict") {
      const { operation } = refused;
      const current = this.#current(operations[operation] as Operation, nowUs);
      return { outcome: "conflict", operation, current, head: this.#log.head() };
    }
    if (refused) return { outcome: "ts_ahead", operation: refused.operation };
    const stale = [...findStaleSchemas(operations, rowOf)];
    if (stale.length > 0) {
      return { outcome: "schema_changed", schemas: stale.map((key) => ({ key, schema: this.entries.schema(key) })) };
    }
    const { timesUs, moreKeys, moreBytes } = planWrite(operations, rowOf, nowUs);
    const exceeded = this.#usage.exceeded(moreKeys, moreBytes);
    if (exceeded) return exceeded;
    this.#usage.add(moreKeys, moreBytes);

    const namespaceWatched = this.#watchers.namespaceWatched();
    this.#log.begin(nowUs);
    const results = operations.map((operation, index): AppliedVersion | Unchanged => {
      const atUs = timesUs[index] ?? null;
      // An earlier operation may have changed the same key.
      const row = rows.size < operations.length ? this.entries.row(operation.key, nowUs) : rowOf(operation.key);
      if (atUs === null) return { change: null, revision: currentRevision(operation, row), ts: seconds(row.ts_us) };
      // An expiry is a change of its own, so it comes before the set that replaces the expired value.
      const previous =
        operation.op === "set" && row.over ? this.#recordExpiry(operation.key, row, nowUs) : row.revision;
      const revision = this.#log.head() + 1;
      const details = this.#applyOne(operation, row, { revision, atUs, nowUs, by });
      const version = { revision, previous, ts: seconds(atUs), ...details };
      this.#log.append(changeOf(operation, version, by), this.#logRoom());
      return { ...version, watched: row.watcher !== null, namespaceWatched };
    });
    if (idempotency) this.#records.add(idempotency, { outcome: "applied", results, by }, nowUs, this.#recordRoom());
    else if (moreBytes > 0 && this.#records.any()) this.#records.trim(nowUs, this.#recordRoom());
    const limit = this.#tombstoneLimit();
    // Under a quota, a set too may leave less room for tombstones.
    const leaves = ({ op }: Operation) => op === "delete" || op === "schema_delete" || limit < LIMITS.maxTombstones;
    this.#tombstones.added(operations.filter(leaves).length, nowUs, limit);
    return { outcome: "applied", results, by, head: this.#log.head() };
  }

  /** @param key of the write's first operation */
  recall(
    idempotency: Idempotency,
    key: string | undefined,
    nowUs: number,
  ): AppliedVersions | IdReused | ValueGone | null {
    const earlier = this.#records.find(idempotency, nowUs);
    if (!idempotency.needsText || earlier?.outcome !== "applied") return earlier;
    const [result] = earlier.results;
    if (!result || result.change === null) return earlier;
    const { revision } = result;
    const text = this.#log.textAt(revision) ?? this.entries.valueAt(key, revision);
    return text === null ? { outcome: "value_gone", revision } : { ...earlier, text };
  }

  /**
   * What memX itself keeps counts against the quota, and gives way to values and schemas: of the bytes that these leave,
   * the log may have half, the idempotency records a quarter, and the tombstones a quarter.
   */
  #logRoom(): number {
    return this.#usage.bytesLeft() / 2;
  }

  #recordRoom(): number {
    return this.#usage.bytesLeft() / 4;
  }

  #tombstoneLimit(): number {
    const { minTombstones, maxTombstones, tombstoneBytes } = LIMITS;
    const room = Math.min(this.#usage.keysLeft(), Math.floor(this.#usage.bytesLeft() / 4 / tombstoneBytes));
    return Math.max(minTombstones, Math.min(maxTombstones, room));
  }

  readEntry(key: string, nowUs: number): EntryRead {
    return entryRead(this.entries.entry(key, nowUs), this.#log.head());
  }

  readSchema(key: string): SchemaRead {
    return { schema: this.entries.schema(key), head: this.#log.head() };
  }

  readKeys(query: KeysQuery, nowUs: number): KeysPage {
    return { ...this.entries.keys(query, nowUs), head: this.#log.head() };
  }

  readMany(keys: readonly string[], nowUs: number): ManyRead {
    const entries: (Entry | null)[] = [];
    let bytes = 0;
    for (const key of keys) {
      const entry = this.entries.entry(key, nowUs);
      bytes += entry ? utf8Length(entry.value) : 0;
      if (bytes > LIMITS.maxReadBytes) return { outcome: "too_large" };
      entries.push(entry);
    }
    return { outcome: "read", entries, head: this.#log.head() };
  }

  readLog(key: string, after: number): LogSlice {
    return this.#log.read(key, after, this.entries.row(key, 0).revision, this.#tombstones.forgotten());
  }

  scanLog(after: number): LogScan {
    return this.#log.scan(after);
  }

  readChanges(revisions: readonly number[]): (Change | null)[] {
    return this.#log.changes(revisions);
  }

  readHistory(key: string, before: number, limit: number, nowUs: number): History {
    this.#settle(key, nowUs);
    return { changes: this.#log.readBack(key, before, limit), head: this.#log.head() };
  }

  /** The head is the revision of the last change, or the number that the first revision will follow. */
  watch(key: string, token: string, nowUs: number): Watch {
    this.#log.begin(nowUs);
    if (key === ALL_KEYS) this.expire(nowUs);
    else this.#settle(key, nowUs);
    this.#watchers.set(key, token);
    this.entries.forgetRow(key);
    const nextUs = key === ALL_KEYS ? this.expiries.nextUs() : this.entries.row(key, 0).expires_us;
    return { head: this.#log.head(), expiresInMs: nextUs ? Math.max(0, Math.ceil((nextUs - nowUs) / 1000)) : null };
  }

  unwatch(key: string, token: string, nowUs: number): void {
    this.#watchers.clear(key, token, nowUs);
    this.entries.forgetRow(key);
    this.#tombstones.added(1, nowUs, this.#tombstoneLimit());
  }

  /** Records the expiry of values that have expired, up to `maxExpired` of them. */
  expire(nowUs: number): void {
    for (const key of this.expiries.due(nowUs)) this.#settle(key, nowUs);
  }

  /**
   * Removes a bounded number of the tombstones and idempotency records whose time is over.
   * @returns whether there may be more
   */
  forgetOld(nowUs: number): boolean {
    const records = this.#records.trim(nowUs, this.#recordRoom());
    return this.#tombstones.trim(nowUs, this.#tombstoneLimit()) || records;
  }

  /** In how many milliseconds a sweep is worth it; `undefined` if there is nothing that ages. */
  oldInMs(nowUs: number): number | undefined {
    if (this.expiries.any()) return LIMITS.sweepIntervalMs;
    if (this.#records.any()) return LIMITS.idempotencySeconds * 1000;
    const nextUs = this.#tombstones.nextUs();
    if (nextUs === 0) return undefined;
    // Later than a day only if the clock was ahead when the key was deleted.
    const inMs = Math.min(Math.ceil((nextUs - nowUs) / 1000), LIMITS.tombstoneSeconds * 1000);
    return Math.max(LIMITS.sweepIntervalMs, inMs);
  }

  /** Returns what there is to say of a value that was set. */
  #applyOne(
    operation: Operation,
    row: CurrentRow,
    { nowUs, ...write }: { revision: number; atUs: number; nowUs: number; by: string | undefined },
  ): Details {
    const { key } = operation;
    switch (operation.op) {
      case "set": {
        const expires_us = this.#setExpiry(operation, row, nowUs);
        const created_us = this.entries.setValue(key, operation.value, write, { ...row, expires_us });
        return details({ created_us, expires_us, agent: null });
      }
      case "delete":
        this.#removeValue(key, write, nowUs);
        return {};
      case "schema_set":
        this.entries.setSchema(key, operation.schema, write);
        return {};
      case "schema_delete":
        this.entries.removeSchema(key, write.revision, nowUs);
        return {};
      case "check":
        return {};
    }
  }

  /** Returns when the value that was set expires; 0 for never. */
  #setExpiry({ key, ttl }: Extract<Operation, { op: "set" }>, row: CurrentRow, nowUs: number): number {
    const currentUs = row.over ? 0 : row.expires_us;
    if (ttl === "keep") return currentUs;
    if (ttl !== undefined) {
      const expiresUs = nowUs + microseconds(ttl);
      this.expiries.set(key, expiresUs);
      return expiresUs;
    }
    if (currentUs > 0) this.expiries.clear(key);
    return 0;
  }

  #removeValue(key: string, at: { revision: number; atUs: number }, nowUs: number): void {
    this.entries.removeValue(key, at, nowUs);
    this.expiries.clear(key);
  }

  /** Records the expiry of the key's value, if it has expired. */
  #settle(key: string, nowUs: number): void {
    const row = this.entries.row(key, nowUs);
    if (!row.over) return;
    this.#usage.add(row.schema_revision > 0 ? 0 : -1, -row.value_bytes);
    this.#recordExpiry(key, row, nowUs);
    this.#tombstones.added(1, nowUs, this.#tombstoneLimit());
  }

  /** Returns the revision of the expiry. */
  #recordExpiry(key: string, { ts_us: atUs, revision: previous }: CurrentRow, nowUs: number): number {
    const revision = this.#log.head() + 1;
    this.#removeValue(key, { revision, atUs }, nowUs);
    const change = {
      event: "value",
      action: "expire",
      key,
      revision,
      previous,
      ts: seconds(atUs),
      json: null,
    } as const;
    this.#log.append(change, this.#logRoom());
    return revision;
  }

  /** The key's current value, or its current schema if the operation is about the schema. */
  #current(operation: Operation, nowUs: number): CurrentText | null {
    if (isOfSchema(operation)) {
      const stored = this.entries.schema(operation.key);
      return stored && currentSchema(stored);
    }
    const entry = this.entries.entry(operation.key, nowUs);
    return entry && currentValue(entry);
  }
}
