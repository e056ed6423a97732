// A TCP proxy in front of an HTTP server that fails on demand, in ways in which networks do.

import { createServer, connect as openSocket, type Socket } from "node:net";

export type Fault =
  /** Takes connections and requests, and passes nothing on. */
  | "swallow"
  /** Passes everything on, answers so much later. */
  | { readonly delayMs: number }
  /**
   * Passes requests on, so what they ask for happens, but of the answer only the first `bytes`; then the connection is
   * closed, reset, or says nothing more.
   */
  | { readonly bytes: (answer: HttpAnswer) => number; readonly ending: "close" | "reset" | "stall" };

export type HttpAnswer = { readonly headBytes: number; readonly totalBytes: number };

export type FailingProxy = {
  readonly url: string;
  /** For everything that arrives from now on; `undefined` passes all of it. */
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
        // "close" follows, and is all there is to do.
      });
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (proxy.fault !== "swallow") upstream.write(chunk);
    });
    let answer = Buffer.alloc(0);
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
      answer = Buffer.concat([answer, chunk]);
      const whole = measure(answer);
      if (!whole) return;
      const part = answer.subarray(0, fault.bytes(whole));
      answer = Buffer.alloc(0);
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

/** `undefined` as long as a part of the answer is missing. */
function measure(answer: Buffer): HttpAnswer | undefined {
  const end = answer.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const headBytes = end + 4;
  const length = /^content-length: *(\d+)/im.exec(answer.toString("latin1", 0, headBytes))?.[1];
  const isWhole =
    length === undefined
      ? answer.toString("latin1", headBytes).endsWith("0\r\n\r\n")
      : answer.length >= headBytes + Number(length);
  return isWhole ? { headBytes, totalBytes: answer.length } : undefined;
}
