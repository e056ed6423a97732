// Picks the engine that the configuration names.

import { logLength, quota } from "../../config/store-settings.ts";
import { ApiError } from "../errors.ts";
import { createEmbeddedStore } from "./embedded.ts";
import { createRedisStore } from "./redis/redis-store.ts";
import type { Store } from "./store.ts";
import { timedStore } from "./timed-store.ts";

/** @throws {ApiError} `store_unavailable` where the configuration can not be used: never another store instead */
export function openStore(env: Env): Store {
  const known = opened.get(env);
  if (known) return known;
  const embedded = !env.UPSTASH_REDIS_REST_URL && !env.UPSTASH_REDIS_REST_TOKEN;
  const store = timedStore(embedded ? createEmbeddedStore(env.EMBEDDED_STORE) : openRedis(env));
  opened.set(env, store);
  return store;
}

/** One for each configuration, which does not change. */
const opened = new WeakMap<Env, Store>();

function openRedis(env: Env): Store {
  // A secret that came from a file often ends with a line break.
  const url = env.UPSTASH_REDIS_REST_URL?.trim();
  const token = env.UPSTASH_REDIS_REST_TOKEN?.trim();
  if (!url || !token) throw misconfigured("UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN go together: set both.");
  // Checked here, and without a cause: the client's own error repeats what may be a password in the wrong place.
  const { protocol, username } = URL.parse(url) ?? {};
  if (!protocol?.startsWith("http") || username) {
    throw misconfigured("UPSTASH_REDIS_REST_URL has to be the https:// address of the REST API, without a password.");
  }
  try {
    return createRedisStore({ url, token, logLength: logLength(env), quota: quota(env) });
  } catch (error) {
    throw misconfigured((error as Error).message);
  }
}

function misconfigured(detail: string): ApiError {
  return new ApiError("store_unavailable", detail, { retryAfterSeconds: 60 });
}
