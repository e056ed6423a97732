// The front door: a browser gets a page that says what this is, everything else the same as JSON. Needs no API key.

import { Hono } from "hono";
import { accepts } from "hono/accepts";
import { version } from "../../package.json";
import type { AppEnv } from "../app-env.ts";
import { PUBLIC_CACHE } from "../response/headers.ts";

export const home = new Hono<AppEnv>();

home.get("/", (c) => {
  c.header("cache-control", PUBLIC_CACHE);
  c.header("vary", "accept");
  const type = accepts(c, {
    header: "Accept",
    supports: ["application/json", "text/html"],
    default: "application/json",
  });
  if (type !== "text/html") {
    return c.json({ name: "memX", version, docs: "/docs", openapi: "/openapi.json", health: "/health" });
  }
  c.header(
    "content-security-policy",
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  return c.html(PAGE);
});
home.get("/home.css", (c) =>
  c.body(STYLE, { headers: { "content-type": "text/css; charset=utf-8", "cache-control": PUBLIC_CACHE } }),
);

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>memX</title>
    <link rel="stylesheet" href="/home.css">
  </head>
  <body>
    <main>
      <h1>memX <small>${version}</small></h1>
      <p>Real-time shared memory for teams of AI agents: JSON values under string keys, a JSON Schema per key, and a live
        feed of every change.</p>
      <ul>
        <li><a href="/docs">API reference</a>: try every call here in the browser.</li>
        <li><a href="/openapi.json">openapi.json</a>: the same as an OpenAPI 3.1 document.</li>
        <li><a href="/health">Health</a>: whether memX and its store respond.</li>
      </ul>
      <p>Send your API key in the <code>x-api-key</code> header:</p>
      <pre><code>curl "$MEMX_BASE_URL/get?key=agent:goal" \\
  -H "x-api-key: $MEMX_API_KEY"</code></pre>
    </main>
  </body>
</html>
`;

const STYLE = `:root { color-scheme: light dark; font: 1.0625rem/1.6 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 42rem; margin: 0 auto; padding: 4rem 1.5rem; }
h1 { font-size: 2.5rem; line-height: 1.2; margin: 0; }
small { font-size: 1rem; font-weight: normal; opacity: 0.6; }
pre { overflow-x: auto; padding: 1rem; border-radius: 0.5rem; background: color-mix(in srgb, currentColor 8%, transparent); }
`;
