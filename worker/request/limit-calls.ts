// How often an API key may call, where wrangler.toml binds a rate limiter. Its limit stands there too.

import { ApiError } from "../../memory/errors.ts";
import { log } from "../../memory/log.ts";

/** The `period` in wrangler.toml. */
const PERIOD_SECONDS = 10;

/**
 * Before the key is looked up, so that one that is not good is counted too.
 * @throws {ApiError} `rate_limited`
 */
export async function limitCalls(env: Env, keyHash: string): Promise<void> {
  // The limiter of wrangler dev writes to a disk for every call, and nobody needs it there.
  if (!env.RATE_LIMITER || env.MEMX_ENV === "development") return;
  let success = true;
  try {
    ({ success } = await env.RATE_LIMITER.limit({ key: keyHash }));
  } catch (cause) {
    // A limiter that fails must not fail memX.
    log("warn", "rate_limiter_failed", { cause });
  }
  if (success) return;
  throw new ApiError("rate_limited", "This API key calls too often. Slow down, and try again.", {
    retryAfterSeconds: PERIOD_SECONDS,
  });
}
