// How much a namespace holds, counted as it changes. Only while a quota is in force, because each count is a row written.

import type { Quota, QuotaExceeded } from "../../memory/store/store.ts";

type Stored = { readonly keys: number; readonly bytes: number };

export class QuotaUsage {
  readonly #kv: SyncKvStorage;
  readonly #quota: Quota;

  constructor({ kv, sql }: DurableObjectStorage, quota: Quota) {
    this.#kv = kv;
    this.#quota = quota;
    if (!this.#limited) kv.delete("usage");
    else if (!kv.get("usage")) {
      // Only once, when a quota comes into force.
      const stored = sql
        .exec<Stored>(
          `SELECT count(*) AS keys, coalesce(sum(octet_length(coalesce(value, '')) + octet_length(coalesce(schema, ''))), 0) AS bytes
           FROM entries WHERE value_revision > 0 OR schema_revision > 0`,
        )
        .one();
      kv.put("usage", stored);
    }
  }

  /** What there would be too much of. Who writes less than there was is always let. */
  exceeded(moreKeys: number, moreBytes: number): QuotaExceeded | undefined {
    const { keys, bytes } = this.#stored;
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
    const { keys, bytes } = this.#stored;
    this.#kv.put("usage", { keys: keys + moreKeys, bytes: bytes + moreBytes });
  }

  get #limited(): boolean {
    return this.#quota.keys !== undefined || this.#quota.bytes !== undefined;
  }

  get #stored(): Stored {
    return this.#kv.get<Stored>("usage") ?? { keys: 0, bytes: 0 };
  }
}
