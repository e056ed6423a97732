// A connection that sends one request at a time. It is small, because it shares the machine with the server that it
// measures. It is not a general HTTP client: it reads only the responses of the servers in this folder.

import { connect } from "node:net";

export type Connection = {
  /** Returns the body of the response. @throws {Error} if the status is not 200 */
  send(request: Buffer): Promise<string>;
  close(): void;
};

/** Returns the bytes of a request. */
export function httpRequest(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Buffer {
  const text = body === undefined ? "" : JSON.stringify(body);
  const length = { "content-type": "application/json", "content-length": `${Buffer.byteLength(text)}` };
  const all = { host: "127.0.0.1", ...headers, ...(text && length) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${text}`);
}

export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let waiting: PromiseWithResolvers<string> | undefined = Promise.withResolvers();
  let received = "";
  const fail = (reason: string) => waiting?.reject(new Error(`${reason}: ${received}`));
  socket.setEncoding("utf8");
  socket.on("connect", () => waiting?.resolve(""));
  socket.on("error", (error) => fail(error.message));
  socket.on("close", () => fail("the connection was closed"));
  socket.on("data", (chunk: string) => {
    received += chunk;
    const body = bodyOf(received);
    if (body === undefined) return;
    if (!received.startsWith("HTTP/1.1 200 ")) return fail("the status is not 200");
    received = "";
    waiting?.resolve(body);
  });
  await waiting.promise;
  waiting = undefined;
  return {
    send(request) {
      // Servers close connections that are idle for some seconds.
      if (!socket.writable) return Promise.reject(new Error("the connection was closed before the request"));
      waiting = Promise.withResolvers();
      socket.write(request);
      return waiting.promise;
    },
    close() {
      waiting = undefined;
      socket.destroy();
    },
  };
}

/** Returns the body once the response is complete. Nothing follows it, because the next request is not sent yet. */
function bodyOf(response: string): string | undefined {
  const end = response.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(response)?.[1];
  const body = response.slice(end + 4);
  // All responses here are ASCII, so a character is a byte.
  if (length !== undefined) return body.length >= Number(length) ? body : undefined;
  return body.endsWith("\r\n0\r\n\r\n") ? body : undefined;
}
