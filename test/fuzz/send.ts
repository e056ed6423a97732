// Sends a request unchanged over Node's plain HTTP, and reads the response, or the first moment of a stream.

import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import type { FuzzRequest } from "./requests.ts";

export type Outcome = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** For a stream, the text of the first moment; for a WebSocket, its raw frames. */
  readonly text: string;
};

/** memX hangs if no response starts within this time. */
const MAX_WAIT_MS = 60_000;
/** Time for which streams and sockets are read. */
const READ_MS = 60;

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

export function closeConnections(): void {
  agent.destroy();
}

/** @throws {Error} if no response starts in time, or if the connection breaks */
export function send(port: number, { method, path, headers, body }: FuzzRequest): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const upgrade = headers.upgrade !== undefined;
    const sent = request({
      host: "127.0.0.1",
      port,
      method,
      path,
      agent: upgrade ? false : agent,
      headers: {
        ...headers,
        ...(upgrade && { connection: "Upgrade", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" }),
        ...(upgrade && !headers["sec-websocket-version"] && { "sec-websocket-version": "13" }),
        ...(body && { "content-length": String(body.length) }),
      },
      timeout: MAX_WAIT_MS,
    });
    sent.on("timeout", () => sent.destroy(new Error(`no response within ${MAX_WAIT_MS} ms`)));
    sent.on("error", reject);
    sent.on("response", (response) => {
      let text = "";
      const { statusCode: status = 0, headers: responseHeaders } = response;
      const done = () => resolve({ status, headers: responseHeaders, text });
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", done);
      response.on("error", done);
      if (String(responseHeaders["content-type"]).startsWith("text/event-stream")) {
        setTimeout(() => {
          done();
          response.destroy();
        }, READ_MS);
      }
    });
    sent.on("upgrade", (response, socket: Socket, head) => {
      let text = head.toString("latin1");
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.on("error", () => {
        // The timer below closes the socket anyway.
      });
      setTimeout(() => {
        socket.destroy();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      }, READ_MS);
    });
    sent.end(body);
  });
}
