// Limits how often an API key may call: by the rate limiter that wrangler.toml binds, which sets the limit too, or by a
// count of this process where none is bound.

import { callLimit } from "../../config/call-limit.ts";
import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import { log } from "../../memory/log.ts";
import { CallCounter } from "./call-counter.ts";

const PERIOD_MS = LIMITS.callPeriodSeconds * 1000;

/** Created by the first call that it counts: an isolate on Cloudflare needs none. */
let counter: CallCounter | undefined;

/**
 * Runs before the key is looked up, so that it counts calls with invalid keys too.
 * @throws {ApiError} `rate_limited`
 */
export async function limitCalls(env: Env, keyHash: string): Promise<void> {
  // The limiter of wrangler dev writes to disk for every call, and development does not need one.
  if (env.MEMX_ENV === "development") return;
  const waitSeconds = env.RATE_LIMITER ? await askPlatform(env.RATE_LIMITER, keyHash) : countHere(env, keyHash);
  if (waitSeconds === 0) return;
  throw new ApiError("rate_limited", "This API key has exceeded its rate limit. Slow down and try again.", {
    retryAfterSeconds: waitSeconds,
  });
}

/** Returns the seconds to wait, or 0. */
async function askPlatform(limiter: RateLimit, keyHash: string): Promise<number> {
  try {
    const { success } = await limiter.limit({ key: keyHash });
    return success ? 0 : LIMITS.callPeriodSeconds;
  } catch (cause) {
    // A failing limiter must not make memX fail.
    log("warn", "rate_limiter_failed", { cause });
    return 0;
  }
}

/** Returns the seconds to wait, or 0. */
function countHere(env: Env, keyHash: string): number {
  const limit = callLimit(env);
  if (limit === undefined) return 0;
  counter ??= new CallCounter(PERIOD_MS);
  const nowMs = Date.now();
  return counter.count(keyHash, limit, nowMs) ? 0 : Math.ceil((PERIOD_MS - (nowMs % PERIOD_MS)) / 1000);
}
