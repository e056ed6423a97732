// Limits how often an API key may call, if wrangler.toml binds a rate limiter. The limit is set there too.

import { ApiError } from "../../memory/errors.ts";
import { log } from "../../memory/log.ts";

/** The `period` in wrangler.toml. */
const PERIOD_SECONDS = 10;

/**
 * Runs before the key is looked up, so that it counts calls with invalid keys too.
 * @throws {ApiError} `rate_limited`
 */
export async function limitCalls(env: Env, keyHash: string): Promise<void> {
  // The limiter of wrangler dev writes to disk for every call, and development does not need one.
  if (!env.RATE_LIMITER || env.MEMX_ENV === "development") return;
  let success = true;
  try {
    ({ success } = await env.RATE_LIMITER.limit({ key: keyHash }));
  } catch (cause) {
    // A failing limiter must not make memX fail.
    log("warn", "rate_limiter_failed", { cause });
  }
  if (success) return;
  throw new ApiError("rate_limited", "This API key has exceeded its rate limit. Slow down and try again.", {
    retryAfterSeconds: PERIOD_SECONDS,
  });
}
