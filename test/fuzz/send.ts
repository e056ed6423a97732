// Sends a request as it is, over Node's plain HTTP, and reads of the answer what there is within a moment.

import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import type { FuzzRequest } from "./requests.ts";

export type Outcome = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of a stream, what came within a moment; of a WebSocket, its frames as they are. */
  readonly text: string;
};

/** Within this an answer has begun, or memX hangs. */
const MAX_WAIT_MS = 10_000;
/** So long streams and sockets are read. */
const READ_MS = 60;

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

export function closeConnections(): void {
  agent.destroy();
}

/** @throws where no answer begins in time, or the connection breaks */
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
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${MAX_WAIT_MS} ms`)));
    sent.on("error", reject);
    sent.on("response", (response) => {
      let text = "";
      const { statusCode: status = 0, headers: answered } = response;
      const done = () => resolve({ status, headers: answered, text });
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", done);
      response.on("error", done);
      if (String(answered["content-type"]).startsWith("text/event-stream")) {
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
        // It is about to be ended anyway.
      });
      setTimeout(() => {
        socket.destroy();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      }, READ_MS);
    });
    sent.end(body);
  });
}
