// The interactive reference at /docs, and the OpenAPI document it shows. Serves every file of the page.

import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { openApiDocument } from "../openapi/document.ts";
import { PUBLIC_CACHE } from "../response/headers.ts";

const JAVASCRIPT = "text/javascript; charset=utf-8";

export const docs = new Hono<AppEnv>();

docs.get("/openapi.json", (c) => c.json(openApiDocument, { headers: { "cache-control": PUBLIC_CACHE } }));

docs.get("/docs", (c) => {
  // Swagger UI writes style attributes and shows its icons as data: URLs.
  c.header(
    "content-security-policy",
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  c.header("cache-control", PUBLIC_CACHE);
  return c.html(PAGE);
});
docs.get("/docs/start.js", (c) =>
  c.body(START, { headers: { "content-type": JAVASCRIPT, "cache-control": PUBLIC_CACHE } }),
);
docs.get("/docs/swagger-ui.css", (c) => asset(c, "swagger-ui.css", "text/css; charset=utf-8"));
docs.get("/docs/swagger-ui-bundle.js", (c) => asset(c, "swagger-ui-bundle.js", JAVASCRIPT));
docs.get("/docs/favicon-32x32.png", (c) => asset(c, "favicon-32x32.png", "image/png"));

/** Sets the content type, because workerd's disk service does not. A failure is not cached. */
async function asset(c: Context<AppEnv>, file: string, type: string): Promise<Response> {
  const response = await c.env.ASSETS.fetch(new Request(new URL(`/${file}`, c.req.url), c.req.raw));
  const headers = new Headers(response.headers);
  if (response.ok) headers.set("content-type", type);
  if (response.ok || response.status === 304) headers.set("cache-control", PUBLIC_CACHE);
  else headers.delete("cache-control");
  return new Response(response.body, { status: response.status, headers });
}

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>memX API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <main id="reference"></main>
    <noscript>The interactive reference needs JavaScript. The document behind it is <a href="/openapi.json">/openapi.json</a>.</noscript>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
});
`;
