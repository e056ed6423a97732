// Headers that every response carries besides its content: the request's id, where its time went, and what browsers need. Hono's
// middleware is asked once for the ones that never change, because running it for each response takes as long as the rest of a read.

import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import { secureHeaders } from "hono/secure-headers";
import { exportMetrics } from "../../memory/export-metrics.ts";
import { isMetered, METRICS } from "../../memory/metrics.ts";
import { REVISION_HEADER } from "../../sdk/protocol.ts";
import type { AppEnv } from "../app-env.ts";

/** Pages of any origin may call memX. Also responds to preflight requests. */
const allowOrigins = cors({
  origin: "*",
  exposeHeaders: ["retry-after", "x-request-id", "etag", REVISION_HEADER],
  maxAge: 86_400,
});

const secure = secureHeaders({
  strictTransportSecurity: "max-age=31536000",
  xFrameOptions: "DENY",
  crossOriginResourcePolicy: "cross-origin",
  // Only browsers of long ago read these.
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
});

/** For every response that is not public, errors too: a cache must not show one caller's response to another. */
export const NO_STORE = "no-store";

/** For what anyone may see. Not longer, because these files have the same names in every version of memX. */
export const PUBLIC_CACHE = "public, max-age=300";

/** Headers of a JSON response, from the first request on. */
let standard: Headers | undefined;

async function readStandard(): Promise<Headers> {
  const app = new Hono();
  app.get("/", secure, allowOrigins, (c) => c.body(null));
  const { headers } = await app.request("/");
  return new Headers([
    ...headers,
    ["timing-allow-origin", "*"],
    ["cache-control", NO_STORE],
    ["content-type", "application/json"],
  ]);
}

/** Adds them to every response that `jsonResponse` has not already given them. */
export const responseHeaders = createMiddleware<AppEnv>(async (c, next) => {
  const startMs = Date.now();
  const timings: string[] = [];
  standard ??= await readStandard();
  c.set("timings", timings);
  if (c.req.method === "OPTIONS") c.res = (await allowOrigins(c, next)) as Response;
  else await next();
  // Hono drops the body of a response to HEAD without cancelling it, and its source would go on.
  if (c.req.method === "HEAD") await c.res.body?.cancel();
  const { headers, status } = c.res;
  if (!headers.has("x-content-type-options")) {
    for (const [name, value] of standard) {
      if (name !== "content-type" && !(name === "cache-control" && headers.has(name))) headers.set(name, value);
    }
  }
  headers.set("x-request-id", c.get("requestId"));
  const ms = Date.now() - startMs;
  headers.set("server-timing", [...timings, `total;dur=${ms.toFixed(1)}`].join());
  if (isMetered(c.env)) {
    // Not the path itself, which can be anything.
    const route = matchedRoutes(c).findLast(({ method }) => method !== "ALL")?.path ?? "none";
    METRICS.requests.add(route, String(status));
    METRICS.requestSeconds.observe(ms / 1_000, route);
    exportMetrics(c.env.METRICS_DATASET);
  }
});

/** For the constructor of a JSON response: setting all headers at once costs a fraction of setting them one by one. */
export function jsonHeaders(): Headers {
  return standard ?? new Headers({ "content-type": "application/json" });
}

/** The caller's own id if it is short and consists of letters, digits, "_", "-" and "=". Otherwise a new one. */
export function requestIdOf(c: Context): string {
  const id = c.req.header("x-request-id");
  return id && /^[\w\-=]{1,64}$/.test(id) ? id : crypto.randomUUID();
}
