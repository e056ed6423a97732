// Read, change, write: again with what others wrote meanwhile, until nobody has.

import { pause } from "./backoff.ts";
import { ConflictError } from "./errors.ts";
import type { MemX } from "./memx.ts";
import type { Entry, PatchOptions } from "./types.ts";

/** From what the key holds, `undefined` for nothing, to what it is to hold, `undefined` to leave it. May run several times. */
export type Change<T, Next = T> = (
  value: T | undefined,
  entry: Entry<T> | null,
) => Next | undefined | Promise<Next | undefined>;

/** Then something else than a race is wrong: a hundred others came first each time. */
const MAX_ATTEMPTS = 100;

/** Answers what the key holds then. */
export async function updateValue<T>(
  memx: Pick<MemX, "get" | "set">,
  key: string,
  change: Change<T>,
  options: PatchOptions,
): Promise<Entry<T> | null> {
  const { signal } = options;
  let entry = await memx.get<T>(key, { signal });
  for (let attempt = 0; ; attempt++) {
    const value = await change(entry?.value, entry);
    if (value === undefined) return entry;
    try {
      const { ttl } = options;
      const setOptions = { expect: options.expect ?? entry?.revision ?? 0, ...(ttl !== undefined && { ttl }), signal };
      const { revision, ts } = await memx.set(key, value, setOptions);
      return { value, revision, ts };
    } catch (error) {
      if (!(error instanceof ConflictError) || options.expect !== undefined || attempt >= MAX_ATTEMPTS) throw error;
      // The first repeat at once: most conflicts are with one other.
      if (attempt > 0) await pause(Math.random() * Math.min(500, 10 * 2 ** attempt), signal);
      const { current } = error;
      entry = current === undefined ? await memx.get<T>(key, { signal }) : (current as Entry<T> | null);
    }
  }
}
