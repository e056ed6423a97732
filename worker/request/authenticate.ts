// From a request to its principal: finds the API key it carries, and who that is.

import type { Context } from "hono";
import { hashApiKey } from "../../memory/access/access.ts";
import { openAccess } from "../../memory/access/open-access.ts";
import type { Caller } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { timed } from "../../memory/server-timing.ts";
import { findApiKey } from "./find-api-key.ts";
import { limitCalls } from "./limit-calls.ts";

/** @throws {ApiError} `missing_api_key`, `invalid_api_key`, `rate_limited`, `auth_unavailable` */
export function authenticate(c: Context<{ Bindings: Env }>): Promise<Caller> {
  return timed("access", findCaller(c.req.raw.headers, c.env));
}

export async function findCaller(headers: Headers, env: Env): Promise<Caller> {
  const access = openAccess(env);
  const apiKey = findApiKey(headers);
  if (!apiKey) throw new ApiError("missing_api_key", "Missing API key: send it in the x-api-key header.");
  const keyHash = await hashApiKey(apiKey);
  await limitCalls(env, keyHash);
  const principal = (await access.find([keyHash])).get(keyHash);
  if (!principal) throw new ApiError("invalid_api_key", "Invalid or inactive API key.");
  return { ...principal, keyHash };
}
