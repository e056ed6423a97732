// Headers that every response carries besides its content: the request's id, where its time went, and what browsers need. Hono's
// middleware is asked once for the ones that never change, because running it for each response takes as long as the rest of a read.

import { Hono } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import { secureHeaders } from "hono/secure-headers";
import { exportMetrics } from "../../memory/export-metrics.ts";
import { isMetered, METRICS } from "../../memory/metrics.ts";
import type { RequestVariables } from "../../memory/request-context.ts";
import { timing } from "../../memory/server-timing.ts";
import { REVISION_HEADER } from "../../sdk/protocol.ts";
import type { AppEnv } from "../app-env.ts";

const STRICT_TRANSPORT = "max-age=31536000";

/** Headers that a page of another origin may read. */
const EXPOSED = ["retry-after", "x-request-id", "etag", REVISION_HEADER];

/** Pages of any origin may call memX. Also responds to preflight requests. */
const allowOrigins = cors({
  origin: "*",
  exposeHeaders: EXPOSED,
  maxAge: 86_400,
});

/** For pages, and for all else that a browser may show or run. */
const secure = secureHeaders({
  strictTransportSecurity: STRICT_TRANSPORT,
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

/** Only what JSON needs: a header costs a small call about a hundredth of its time. */
const jsonStandard = new Headers({
  "access-control-allow-origin": "*",
  "access-control-expose-headers": EXPOSED.join(),
  "timing-allow-origin": "*",
  "strict-transport-security": STRICT_TRANSPORT,
  "x-content-type-options": "nosniff",
  "cache-control": NO_STORE,
  "content-type": "application/json",
});

/** Headers of every other response, from the first one on. */
let standard: Headers | undefined;

async function readStandard(): Promise<Headers> {
  const app = new Hono();
  app.get("/", secure, allowOrigins, (c) => c.body(null));
  const { headers } = await app.request("/");
  return new Headers([...headers, ["timing-allow-origin", "*"], ["cache-control", NO_STORE]]);
}

/** What a response says of its request. */
type Finished = Pick<RequestVariables, "requestId" | "timings"> & {
  readonly env: Env;
  /** The path of its route; not the path itself, which can be anything. */
  readonly route: () => string;
  readonly startMs: number;
};

/** Adds the headers that every response has and that are its own, and counts it. */
export function finishResponse(response: Response, { env, route, startMs, requestId, timings }: Finished): Response {
  const { headers, status } = response;
  if (!hasStandard(headers)) addStandard(headers, jsonStandard);
  headers.set("x-request-id", requestId);
  const ms = Date.now() - startMs;
  headers.set("server-timing", [...timings, timing("total", ms)].join());
  if (isMetered(env)) {
    const path = route();
    METRICS.requests.add(path, String(status));
    METRICS.requestSeconds.observe(ms / 1_000, path);
    exportMetrics(env.METRICS_DATASET);
  }
  return response;
}

function hasStandard(headers: Headers): boolean {
  return headers.has("x-content-type-options");
}

function addStandard(headers: Headers, added: Headers): void {
  for (const [name, value] of added) {
    if (name !== "content-type" && !(name === "cache-control" && headers.has(name))) headers.set(name, value);
  }
}

/** Adds headers to the response of any route. */
export const responseHeaders = createMiddleware<AppEnv>(async (c, next) => {
  const startMs = Date.now();
  const timings: string[] = [];
  standard ??= await readStandard();
  c.set("timings", timings);
  if (c.req.method === "OPTIONS") c.res = (await allowOrigins(c, next)) as Response;
  else await next();
  // Hono drops the body of a response to HEAD without cancelling it, and its source would go on.
  if (c.req.method === "HEAD") await c.res.body?.cancel();
  if (!isJson(c.res.headers) && !hasStandard(c.res.headers)) addStandard(c.res.headers, standard);
  const route = () => matchedRoutes(c).findLast(({ method }) => method !== "ALL")?.path ?? "none";
  finishResponse(c.res, { env: c.env, route, startMs, timings, requestId: c.get("requestId") });
});

function isJson(headers: Headers): boolean {
  return /^application\/(problem\+)?json/.test(headers.get("content-type") ?? "");
}

/** For the constructor of a JSON response: setting all headers at once costs a fraction of setting them one by one. */
export function jsonHeaders(): Headers {
  return jsonStandard;
}

/** Of a response to a request that failed. */
export function errorHeaders(requestId: string): Readonly<Record<string, string>> {
  return { "x-request-id": requestId, "cache-control": NO_STORE };
}

/** The caller's own id if it is short and consists of letters, digits, "_", "-" and "=". Otherwise a new one. */
export function requestIdOf(id: string | null | undefined): string {
  return id && /^[\w\-=]{1,64}$/.test(id) ? id : crypto.randomUUID();
}
