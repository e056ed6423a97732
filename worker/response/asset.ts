// Files of the assets folder, which scripts/build-assets.ts fills. A route names each file that a client can reach.

import type { Context } from "hono";
import type { AppEnv } from "../app-env.ts";
import { PUBLIC_CACHE } from "./headers.ts";

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  png: "image/png",
  svg: "image/svg+xml",
};

/** Sets the content type, because workerd's disk service does not. A failure is not cached. */
export async function serveAsset(
  c: Context<AppEnv>,
  path: string,
  { cache = PUBLIC_CACHE, ...rest }: { readonly cache?: string; readonly "content-security-policy"?: string } = {},
): Promise<Response> {
  const response = await c.env.ASSETS.fetch(new Request(new URL(path, c.req.url), c.req.raw));
  const headers = new Headers(response.headers);
  const type = TYPES[path.slice(path.lastIndexOf(".") + 1)];
  if (response.ok && type) headers.set("content-type", type);
  if (response.ok || response.status === 304) headers.set("cache-control", cache);
  else headers.delete("cache-control");
  for (const [name, value] of Object.entries(rest)) headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
}
