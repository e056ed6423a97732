// The time within which a caller is answered, whatever happens behind.

import { storeUnavailable } from "./store/store.ts";

/** Also of what takes several calls of the store, each with a time limit of its own. */
const MAX_ANSWER_MS = 4_500;

/**
 * The work itself goes on; its caller is not let wait for it.
 * @throws {ApiError} `store_unavailable`
 */
export async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(storeUnavailable(`no answer within ${MAX_ANSWER_MS} ms`)), MAX_ANSWER_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
