// How calls reach memX, as far as the options decide it.

import { findWebSocket, type MemXOptions, type Options } from "./options.ts";

/** @throws {TypeError} if there is no such way, or no WebSocket for it */
export function readCalls({ calls = "auto", fetch, WebSocket }: MemXOptions): Options["calls"] {
  if (calls !== "auto" && calls !== "socket" && calls !== "http")
    throw new TypeError(`\`calls\` must be "auto", "socket", or "http", not ${JSON.stringify(calls)}.`);
  if (calls === "socket" && !findWebSocket({ WebSocket })) {
    throw new TypeError('`calls: "socket"` needs a WebSocket. Pass one as the option `WebSocket`.');
  }
  // A `fetch` may do what a socket does not, such as passing a proxy. A Worker's socket belongs to one of its requests.
  const isBypass = fetch !== undefined && WebSocket === undefined;
  const isWorker = (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent === "Cloudflare-Workers";
  return calls === "auto" && (isBypass || isWorker) ? "http" : calls;
}
