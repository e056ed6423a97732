// Which web pages may call /mcp. The MCP specification asks servers to check `Origin`, against pages that rebind their DNS name to
// the address of a local server. Only browsers send the header, so agents are not affected.

import { ApiError } from "../../memory/errors.ts";

/** A page cannot rebind these. Its own name, over plain HTTP, it can. */
const LOCAL = /^(localhost|127\.0\.0\.1|\[::1\])$/;
const ADDRESS = /^([\d.]+|\[[\da-f:.]+\])$/;

/** @throws {ApiError} `forbidden` */
export function checkOrigin({ url, headers }: Request, { MCP_ORIGINS, MEMX_ENV }: Env): void {
  const origin = headers.get("origin");
  if (origin === null || allows(origin, url, MEMX_ENV === "development")) return;
  if (listed(MCP_ORIGINS).includes(origin.toLowerCase())) return;
  throw new ApiError("forbidden", "Pages of this origin may not call /mcp. The operator can add it to MCP_ORIGINS.");
}

function allows(origin: string, url: string, development: boolean): boolean {
  if (!URL.canParse(origin)) return false; // Also `null`, the origin of a sandboxed page.
  const { protocol, host, hostname } = new URL(origin);
  if (protocol !== "https:" && protocol !== "http:") return false;
  if (development && LOCAL.test(hostname)) return true;
  // Only the host, because a proxy in front of memX may speak TLS.
  const same = host === new URL(url).host;
  return same && (protocol === "https:" || LOCAL.test(hostname) || ADDRESS.test(hostname));
}

/** On workerd, a variable that is not set is null. */
function listed(setting: string | null | undefined): string[] {
  const origins = (setting ?? "").toLowerCase().split(/[\s,]+/);
  return origins.map((origin) => origin.replace(/\/$/, "")).filter((origin) => origin !== "");
}
