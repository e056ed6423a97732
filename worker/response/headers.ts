// What every answer carries besides what it says: the id of its request, where its time went, and what tells browsers how to
// take it. What is the same for all is asked of Hono's middleware once, because each of them at each answer would take
// as long as the rest of a read.

import { type Context, Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";

/** Pages of any origin may call memX. Also answers what browsers ask before they let them. */
const allowOrigins = cors({ origin: "*", exposeHeaders: ["retry-after", "x-request-id"], maxAge: 86_400 });

const secure = secureHeaders({
  strictTransportSecurity: "max-age=31536000",
  xFrameOptions: "DENY",
  crossOriginResourcePolicy: "cross-origin",
  // For browsers of long ago.
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
});

/** Of an answer in JSON, from the first request on. */
let standard: Headers | undefined;

async function readStandard(): Promise<Headers> {
  const app = new Hono();
  app.get("/", secure, allowOrigins, (c) => c.body(null));
  const { headers } = await app.request("/");
  return new Headers([...headers, ["timing-allow-origin", "*"], ["content-type", "application/json"]]);
}

/** Given to the answers of `jsonResponse` with their text already, and to all others here. */
export const answerHeaders: MiddlewareHandler = async (c, next) => {
  const startMs = Date.now();
  const timings: string[] = [];
  standard ??= await readStandard();
  c.set("timings", timings);
  if (c.req.method === "OPTIONS") c.res = (await allowOrigins(c, next)) as Response;
  else await next();
  const { headers } = c.res;
  if (!headers.has("x-content-type-options")) {
    for (const [name, value] of standard) if (name !== "content-type") headers.set(name, value);
  }
  headers.set("x-request-id", c.get("requestId"));
  headers.set("server-timing", [...timings, `total;dur=${(Date.now() - startMs).toFixed(1)}`].join());
};

/** What an answer in JSON is made with: all at once costs a fraction of one after the other. */
export function jsonHeaders(): Headers {
  return standard ?? new Headers({ "content-type": "application/json" });
}

/** The caller's own id where it is short and has nothing but letters, digits, "_", "-" and "=". */
export function requestIdOf(c: Context): string {
  const id = c.req.header("x-request-id");
  return id && /^[\w\-=]{1,64}$/.test(id) ? id : crypto.randomUUID();
}
