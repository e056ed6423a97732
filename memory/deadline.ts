// Bounds how long a caller waits, whatever the work behind it does.

import { storeUnavailable } from "./errors.ts";

/**
 * Rejects if `work` takes longer than `timeoutMs`. The work itself goes on; only its caller stops waiting.
 * @throws {ApiError} `store_unavailable`
 */
export async function withDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(storeUnavailable(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
