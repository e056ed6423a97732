// Bounds how long a caller waits, whatever the work behind it does.

import { storeUnavailable } from "./errors.ts";

/** Upper bound for one response, including those that need several store calls with a timeout each. */
const MAX_RESPONSE_MS = 4_500;

/**
 * Rejects if `work` takes longer than `timeoutMs`. The work itself goes on; only its caller stops waiting.
 * @throws {ApiError} `store_unavailable`
 */
export async function withDeadline<T>(work: Promise<T>, timeoutMs = MAX_RESPONSE_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(storeUnavailable(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
