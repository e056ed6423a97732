// Read, change, write, and again from the start if another client wrote meanwhile.

import { pause } from "./backoff.ts";
import { ConflictError } from "./errors.ts";
import type { MemX } from "./memx.ts";
import { refuseUnknown } from "./refuse-unknown.ts";
import type { Entry, UpdateOptions } from "./types.ts";

/**
 * Returns the new value for the current one, or `undefined` to write nothing. `value` is `undefined` if the key holds
 * nothing. May run several times.
 */
export type Change<T, Next = T> = (
  value: T | undefined,
  entry: Entry<T> | null,
) => Next | undefined | Promise<Next | undefined>;

/** After so many conflicts in a row, something other than a race is wrong. Far away and at a busy key, a hundred are a race. */
const MAX_ATTEMPTS = 1_000;

/** Returns the entry that the key holds afterwards. */
export async function updateValue<T>(
  memx: Pick<MemX, "get" | "set">,
  key: string,
  change: Change<T>,
  options: UpdateOptions,
): Promise<Entry<T> | null> {
  const { signal, expect, ttl = "keep", idempotencyKey, ...unknown } = options;
  refuseUnknown(unknown);
  let entry = await memx.get<T>(key, { signal });
  for (let attempt = 0; ; attempt++) {
    const value = await change(entry?.value, entry);
    if (value === undefined) return entry;
    try {
      // memX keeps an `Idempotency-Key` with an applied write only, so all attempts can have the same.
      const once = idempotencyKey === undefined ? {} : { idempotencyKey };
      const written = await memx.set(key, value, { expect: expect ?? entry?.revision ?? 0, ttl, signal, ...once });
      const created = entry ? entry.created : written.ts;
      return { value, revision: written.revision, ts: written.ts, ...(created !== undefined && { created }) };
    } catch (error) {
      if (!(error instanceof ConflictError) || expect !== undefined || attempt >= MAX_ATTEMPTS) throw error;
      // The first retry is immediate: most conflicts are with one other client.
      if (attempt > 0) await pause(Math.random() * Math.min(500, 10 * 2 ** attempt), signal);
      const { current } = error;
      entry = current === undefined ? await memx.get<T>(key, { signal }) : (current as Entry<T> | null);
    }
  }
}
