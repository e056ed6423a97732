// Calls over memX's socket of calls. Like connection.ts it is small, because it shares the machine with the server.

import { connect } from "node:net";
import { CALLS_SUBPROTOCOL } from "../sdk/protocol.ts";
import { handshake, maskedFrame, readFrame } from "../test/support/raw-frames.ts";
import type { Tally } from "./load.ts";
import type { Headers } from "./operations.ts";

export type SocketLoad = {
  readonly port: number;
  readonly headers: Headers;
  readonly inFlight: number;
  /** Calls, without their ids. The socket sends them in turn. */
  readonly calls: readonly { readonly call: string; readonly body: unknown }[];
  /** Text that every answer must contain once. */
  readonly answer: string;
};

/** memX counts as unread what it sent since the last pong. */
const PING_CHARS = 256 * 1024;

/**
 * Keeps calls in flight: a frame of answers is followed by a frame of as many calls.
 * @throws {Error} at the first wrong answer
 */
export function runCallSocket({ port, headers, inFlight, calls, answer }: SocketLoad, tally: Tally): Promise<void> {
  // Built once, so that the load takes little processor time.
  const messages = calls.map((call) => JSON.stringify(call).slice(1));
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const startMs = new Map<number, number>();
  let [id, unread, isOpen, bytes] = [0, 0, false, Buffer.alloc(0)];

  const send = (count: number) => {
    const now = performance.now();
    const lines = Array.from({ length: count }, () => {
      startMs.set(++id, now);
      return `{"id":${id},${messages[id % messages.length]}`;
    });
    socket.write(textFrame(lines.join("\n")));
  };
  const receive = (answers: string) => {
    // The text before the first one is empty.
    const [, ...each] = answers.split('{"id":');
    if (answers.split(answer).length !== each.length + 1) return fail(`wrong answers: ${answers}`);
    for (const text of each) {
      const answered = Number.parseInt(text, 10);
      const start = startMs.get(answered);
      if (start === undefined || !text.includes('"status":200,')) return fail(`wrong answer: ${text}`);
      startMs.delete(answered);
      tally.done(start);
    }
    unread += answers.length;
    if (unread > PING_CHARS) {
      socket.write(textFrame("ping"));
      unread = 0;
    }
    if (!tally.stopping) send(each.length);
    else if (startMs.size === 0) resolve();
  };
  const fail = (reason: string) => reject(new Error(reason));

  socket.on("error", reject);
  socket.on("close", () => fail("the socket was closed"));
  socket.write(handshake("/connect", { ...headers, "sec-websocket-protocol": CALLS_SUBPROTOCOL }));
  socket.on("data", (chunk) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    if (!isOpen) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      if (!bytes.toString().startsWith("HTTP/1.1 101 ")) return fail(bytes.toString());
      isOpen = true;
      bytes = bytes.subarray(end + 4);
      send(inFlight);
    }
    for (let frame = readFrame(bytes); frame; frame = readFrame(bytes)) {
      bytes = bytes.subarray(frame.size);
      const text = frame.payload.toString();
      if (frame.opcode !== 1) return fail(`the socket closed: ${text}`);
      if (text !== "pong") receive(text);
    }
  });
  return promise.finally(() => socket.destroy());
}

function textFrame(text: string): Buffer {
  return maskedFrame(1, Buffer.from(text));
}
