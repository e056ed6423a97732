// A TCP proxy in front of an HTTP server that fails on demand, as networks do.

import { createServer, connect as openSocket, type Socket } from "node:net";

export type Fault =
  /** Accepts connections and requests, and passes nothing on. */
  | "swallow"
  /** Passes everything on, and delays responses. */
  | { readonly delayMs: number }
  /**
   * Passes requests on, so the server executes them, but only the first `bytes` of the response. Then it closes or
   * resets the connection, or stays silent.
   */
  | { readonly bytes: (response: HttpResponse) => number; readonly ending: "close" | "reset" | "stall" };

export type HttpResponse = { readonly headBytes: number; readonly totalBytes: number };

export type FailingProxy = {
  readonly url: string;
  /** Applies to everything that arrives from now on. `undefined` passes everything on. */
  fault: Fault | undefined;
  close(): Promise<void>;
};

export async function startFailingProxy(target: string): Promise<FailingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const proxy = { fault: undefined as Fault | undefined };

  const server = createServer((client) => {
    const upstream = openSocket(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {
        // The "close" event follows and does the rest.
      });
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (proxy.fault !== "swallow") upstream.write(chunk);
    });
    let response = Buffer.alloc(0);
    upstream.on("data", (chunk) => {
      const { fault } = proxy;
      if (fault === "swallow") return;
      if (fault === undefined) {
        client.write(chunk);
        return;
      }
      if ("delayMs" in fault) {
        setTimeout(() => client.write(chunk), fault.delayMs);
        return;
      }
      response = Buffer.concat([response, chunk]);
      const whole = measure(response);
      if (!whole) return;
      const part = response.subarray(0, fault.bytes(whole));
      response = Buffer.alloc(0);
      client.write(part, () => {
        if (fault.ending === "close") client.destroy();
        if (fault.ending === "reset") client.resetAndDestroy();
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");

  return Object.assign(proxy, {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
}

/** Returns `undefined` while a part of the response is missing. */
function measure(response: Buffer): HttpResponse | undefined {
  const end = response.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const headBytes = end + 4;
  const length = /^content-length: *(\d+)/im.exec(response.toString("latin1", 0, headBytes))?.[1];
  const isWhole =
    length === undefined
      ? response.toString("latin1", headBytes).endsWith("0\r\n\r\n")
      : response.length >= headBytes + Number(length);
  return isWhole ? { headBytes, totalBytes: response.length } : undefined;
}
