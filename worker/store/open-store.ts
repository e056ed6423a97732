// Picks the engine that the configuration names.

import { ApiError } from "../errors.ts";
import { createEmbeddedStore } from "./embedded.ts";
import { logLength } from "./log-length.ts";
import { createRedisStore } from "./redis/redis-store.ts";
import type { Store } from "./store.ts";

/** @throws {ApiError} `store_unavailable` where the configuration can not be used: never another store instead */
export function openStore(env: Env): Store {
  if (!env.UPSTASH_REDIS_REST_URL && !env.UPSTASH_REDIS_REST_TOKEN) return createEmbeddedStore(env.EMBEDDED_STORE);
  redis ??= openRedis(env);
  return redis;
}

/** One per isolate, for its configuration does not change. */
let redis: Store | undefined;

function openRedis(env: Env): Store {
  // A secret that came from a file often ends with a line break.
  const url = env.UPSTASH_REDIS_REST_URL?.trim();
  const token = env.UPSTASH_REDIS_REST_TOKEN?.trim();
  if (!url || !token) throw misconfigured("UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN go together: set both.");
  try {
    return createRedisStore({ url, token, logLength: logLength(env) });
  } catch (cause) {
    throw misconfigured("UPSTASH_REDIS_REST_URL or LOG_LENGTH can not be used.", cause);
  }
}

function misconfigured(detail: string, cause?: unknown): ApiError {
  return new ApiError("store_unavailable", detail, { cause, headers: { "retry-after": "1" } });
}
