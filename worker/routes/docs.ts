// The interactive reference at /docs, and the OpenAPI document it shows. Serves every file of the page.

import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { openApiDocument } from "../openapi/document.ts";
import { serveAsset } from "../response/asset.ts";
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
for (const file of ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"]) {
  docs.get(`/docs/${file}`, (c) => serveAsset(c, `/docs/${file}`));
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
