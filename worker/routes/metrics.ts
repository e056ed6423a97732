// What this memX has counted since its start, for Prometheus. Off until METRICS_TOKEN is set, which is no API key: it opens
// nothing else, and no API key opens this. Tells nothing of namespaces and keys.

import { Hono } from "hono";
import { metricsToken } from "../../config/metrics-token.ts";
import { ApiError } from "../../memory/errors.ts";
import { renderMetrics } from "../../memory/metrics.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { version } from "../../package.json";
import type { AppEnv } from "../app-env.ts";

const OPEN_METRICS = "application/openmetrics-text";

export const metrics = new Hono<AppEnv>();

metrics.get("/metrics", async (c) => {
  const expected = readToken(c.env);
  const token = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (token === undefined) {
    throw new ApiError("missing_api_key", "Missing token: send METRICS_TOKEN as `Authorization: Bearer …`.");
  }
  if (!(await isSame(token, expected))) throw new ApiError("invalid_api_key", "This is not the token of /metrics.");
  return metricsResponse(c.env, c.req.header("accept"));
});

/** All metrics, in the format that the header `Accept` prefers. Does not check who asks. */
export function metricsResponse(env: Env, accept: string | null | undefined): Response {
  const openMetrics = (accept ?? "").includes(OPEN_METRICS);
  const text = renderMetrics({ version, engine: openStore(env).engine }, openMetrics);
  const type = openMetrics
    ? `${OPEN_METRICS}; version=1.0.0; charset=utf-8`
    : "text/plain; version=0.0.4; charset=utf-8";
  return new Response(text, { headers: { "content-type": type } });
}

/** @throws {ApiError} `not_found` if there are no metrics */
function readToken(env: Env): string {
  let token: string | undefined;
  try {
    token = metricsToken(env);
  } catch (error) {
    throw new ApiError("auth_unavailable", (error as Error).message, { retryAfterSeconds: 60 });
  }
  if (token === undefined) throw new ApiError("not_found", "There are no metrics: METRICS_TOKEN is not set.");
  return token;
}

/** Takes as long for every wrong token. */
async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all(
    [one, other].map((text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
  );
  return crypto.subtle.timingSafeEqual(a as ArrayBuffer, b as ArrayBuffer);
}
