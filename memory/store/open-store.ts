// Picks the engine that the configuration names.

import { relaySettings } from "../../config/relay-settings.ts";
import { readServiceUrl } from "../../config/service-url.ts";
import { logLength, quota, storeTimeouts } from "../../config/store-settings.ts";
import { ApiError } from "../errors.ts";
import { isMetered } from "../metrics.ts";
import { createEmbeddedStore } from "./embedded.ts";
import { createRedisStore } from "./redis/redis-store.ts";
import type { Store } from "./store.ts";
import { timedStore } from "./timed-store.ts";

/** @throws {ApiError} `store_unavailable` if the configuration cannot be used; memX never falls back to another store */
export function openStore(env: Env): Store {
  const known = opened.get(env);
  if (known) return known;
  const store = timedStore(openEngine(env), { metered: isMetered(env) });
  opened.set(env, store);
  return store;
}

/** One for each configuration, which does not change. */
const opened = new WeakMap<Env, Store>();

function openEngine(env: Env): Store {
  try {
    const redis = readServiceUrl(env, "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN");
    const timeouts = storeTimeouts(env);
    // Not of the store, but no request works without it, and /health says what is wrong.
    relaySettings(env);
    if (!redis) return createEmbeddedStore(env.EMBEDDED_STORE, timeouts);
    const settings = { timeouts, logLength: logLength(env), quota: quota(env), process: env.MEMX_PROCESS || undefined };
    return createRedisStore({ url: redis.url, token: redis.secret, ...settings });
  } catch (error) {
    throw new ApiError("store_unavailable", (error as Error).message, { retryAfterSeconds: 60 });
  }
}
