// Authentication: finds out who calls, before any route that touches a namespace. Nothing behind this file sees the API key.

import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import { API_KEY_RULE, hashApiKey, isPossibleApiKey } from "../../memory/access/access.ts";
import { openAccess } from "../../memory/access/open-access.ts";
import type { Caller } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { timed } from "../../memory/server-timing.ts";
import type { AppEnv } from "../app-env.ts";
import { findApiKey } from "./find-api-key.ts";
import { limitCalls } from "./limit-calls.ts";

/** Sets `c.var.caller` for every route below it. A path or method without a route passes, and gets its 404 or 405. */
export const authenticate = createMiddleware<AppEnv>(async (c, next) => {
  const isRoute = matchedRoutes(c).some(({ method }) => method !== "ALL");
  if (isRoute) c.set("caller", await timed("access", findCaller(c.req.raw.headers, c.env)));
  await next();
});

/** @throws {ApiError} `missing_api_key`, `invalid_api_key`, `rate_limited`, `auth_unavailable` */
export async function findCaller(headers: Headers, env: Env): Promise<Caller> {
  const access = openAccess(env);
  const apiKey = findApiKey(headers);
  if (!apiKey) throw new ApiError("missing_api_key", "Missing API key: send it in the x-api-key header.");
  // The same for every transport, whatever a source knows.
  if (!isPossibleApiKey(apiKey)) throw new ApiError("invalid_api_key", `An API key ${API_KEY_RULE}.`);
  const keyHash = await hashApiKey(apiKey);
  await limitCalls(env, keyHash);
  const principal = (await access.find([keyHash])).get(keyHash);
  if (!principal) throw new ApiError("invalid_api_key", "Invalid or inactive API key.");
  return { ...principal, keyHash };
}
