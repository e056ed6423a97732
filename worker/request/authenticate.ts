// Authentication: finds out who calls, before any route that touches a namespace. Nothing behind this file sees the API key.

import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import { API_KEY_RULE, hashApiKey, isPossibleApiKey } from "../../memory/access/access.ts";
import { openAccess } from "../../memory/access/open-access.ts";
import type { Caller } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { METRICS } from "../../memory/metrics.ts";
import { timed } from "../../memory/server-timing.ts";
import { workShare } from "../../memory/work-share.ts";
import type { AppEnv } from "../app-env.ts";
import { findApiKey } from "./find-api-key.ts";
import { limitCalls } from "./limit-calls.ts";

/** Sets `c.var.caller` for every route below it. A path or method without a route passes, and gets its 404 or 405. */
export const authenticate = createMiddleware<AppEnv>(async (c, next) => {
  const isRoute = matchedRoutes(c).some(({ method }) => method !== "ALL");
  if (isRoute) {
    const caller = await timed("access", findCaller(c.req.raw.headers, c.env));
    c.set("caller", caller);
    c.set("workShare", workShare(c.env, caller.namespace));
  }
  await next();
});

/** @throws {ApiError} `missing_api_key`, `invalid_api_key`, `rate_limited`, `auth_unavailable` */
export async function findCaller(headers: Headers, env: Env): Promise<Caller> {
  try {
    const caller = await find(headers, env);
    METRICS.authentications.add("accepted");
    return caller;
  } catch (error) {
    METRICS.authentications.add(error instanceof ApiError ? error.code : "internal");
    throw error;
  }
}

async function find(headers: Headers, env: Env): Promise<Caller> {
  // First, because a memX without API keys says so to every call.
  openAccess(env);
  const apiKey = findApiKey(headers);
  if (!apiKey) throw new ApiError("missing_api_key", "Missing API key: send it in the x-api-key header.");
  // The same for every transport, whatever a source knows.
  if (!isPossibleApiKey(apiKey)) throw new ApiError("invalid_api_key", `An API key ${API_KEY_RULE}.`);
  return admit(env, await hashApiKey(apiKey));
}

/**
 * Counts a call of an API key, and finds out who calls.
 * @throws {ApiError} `invalid_api_key`, `rate_limited`, `auth_unavailable`
 */
export async function admit(env: Env, keyHash: string): Promise<Caller> {
  await limitCalls(env, keyHash);
  return checkKey(env, keyHash);
}

/**
 * Finds out whose API key this is, without counting a call.
 * @throws {ApiError} `invalid_api_key`, `auth_unavailable`
 */
export async function checkKey(env: Env, keyHash: string): Promise<Caller> {
  const principal = (await openAccess(env).find([keyHash])).get(keyHash);
  if (!principal) throw new ApiError("invalid_api_key", "Invalid or inactive API key.");
  return { ...principal, keyHash };
}
