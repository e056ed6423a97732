// Counts how many keys and bytes a namespace holds. Only while a quota is set, because each count writes a row.

import type { Quota, QuotaExceeded } from "../../memory/store/store.ts";

type Counts = { readonly keys: number; readonly bytes: number };

export class QuotaUsage {
  readonly #kv: SyncKvStorage;
  readonly #quota: Quota;

  constructor({ kv, sql }: DurableObjectStorage, quota: Quota) {
    this.#kv = kv;
    this.#quota = quota;
    if (!this.#limited) kv.delete("usage");
    else if (!kv.get("usage")) {
      // The rows are counted only once, when a quota is first set.
      const counts = sql
        .exec<Counts>(
          `SELECT count(*) AS keys, coalesce(sum(octet_length(coalesce(value, '')) + octet_length(coalesce(schema, ''))), 0) AS bytes
           FROM entries WHERE value_revision > 0 OR schema_revision > 0`,
        )
        .one();
      kv.put("usage", counts);
    }
  }

  /** Which limit the write would exceed. A write that does not add to a count is always within its limit. */
  exceeded(moreKeys: number, moreBytes: number): QuotaExceeded | undefined {
    if (!this.#limited) return undefined;
    const { keys, bytes } = this.#counts;
    if (moreKeys > 0 && keys + moreKeys > (this.#quota.keys ?? Number.POSITIVE_INFINITY)) {
      return { outcome: "quota_exceeded", of: "keys" };
    }
    if (moreBytes > 0 && bytes + moreBytes > (this.#quota.bytes ?? Number.POSITIVE_INFINITY)) {
      return { outcome: "quota_exceeded", of: "bytes" };
    }
    return undefined;
  }

  add(moreKeys: number, moreBytes: number): void {
    if (!this.#limited || (moreKeys === 0 && moreBytes === 0)) return;
    const { keys, bytes } = this.#counts;
    this.#kv.put("usage", { keys: keys + moreKeys, bytes: bytes + moreBytes });
  }

  /** Bytes that the quota leaves for what memX itself keeps: the log, idempotency records and tombstones. */
  bytesLeft(): number {
    if (this.#quota.bytes === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#quota.bytes - this.#counts.bytes);
  }

  /** Keys that the quota leaves for tombstones. */
  keysLeft(): number {
    if (this.#quota.keys === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#quota.keys - this.#counts.keys);
  }

  get #limited(): boolean {
    return this.#quota.keys !== undefined || this.#quota.bytes !== undefined;
  }

  get #counts(): Counts {
    return this.#kv.get<Counts>("usage") ?? { keys: 0, bytes: 0 };
  }
}
