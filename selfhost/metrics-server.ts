// Serves the metrics of all processes to this machine alone, without a token: METRICS_PORT. Web pages may not read them.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mergeMetrics } from "./merge-metrics.ts";
import type { Ports } from "./workerd.ts";

const TIMEOUT_MS = 5_000;

/** A page whose own domain name leads to this machine sends that name. */
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/**
 * Resolves with the port once it listens.
 *
 * @param processes all of them, each with its ports while it serves
 * @throws {Error} with one sentence for the operator
 */
export async function serveMetrics(
  port: number,
  processes: readonly { readonly ports: Ports | undefined }[],
): Promise<number> {
  const server = createServer((request, response) => {
    respond(request, response, processes).catch(() => response.destroy());
  });
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`METRICS_PORT: memX cannot listen on port ${port} of 127.0.0.1 (${code}).`);
  }
  server.unref();
  return (server.address() as AddressInfo).port;
}

async function respond(
  { method = "", url = "", headers }: IncomingMessage,
  response: ServerResponse,
  processes: readonly { readonly ports: Ports | undefined }[],
): Promise<void> {
  const refuse = (status: number, text: string, more = {}) =>
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...more }).end(`${text}\n`);
  if (!LOOPBACK_HOST.test(headers.host ?? "") || headers.origin !== undefined)
    return void refuse(403, "Web pages may not read the metrics. Use the address 127.0.0.1.");
  if (!/^\/metrics(\?|$)/.test(url)) return void refuse(404, "Only /metrics is here.");
  if (method !== "GET" && method !== "HEAD") return void refuse(405, "Only GET is possible.", { allow: "GET, HEAD" });
  const texts = await Promise.all(processes.map(({ ports }) => ports && read(ports.metrics, headers.accept)));
  const type = texts.find((text) => text !== undefined)?.type;
  if (type === undefined) return void refuse(503, "No process of memX responds.");
  const [only, ...others] = texts;
  const body = others.length === 0 && only ? only.text : mergeMetrics(texts.map((each) => each?.text));
  response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(method === "HEAD" ? "" : body);
}

/** Returns `undefined` if the process does not respond. */
async function read(port: number, accept = "*/*"): Promise<{ text: string; type: string } | undefined> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`http://127.0.0.1:${port}`, { headers: { accept }, signal });
    if (!response.ok) return undefined;
    return { text: await response.text(), type: response.headers.get("content-type") ?? "text/plain" };
  } catch {
    return undefined;
  }
}
