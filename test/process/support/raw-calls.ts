// A client of GET /connect over plain TCP, which can do what no WebSocket library does: reset its connection, stop reading, and
// send frames that are not valid. It sees the close frame of the server.

import { connect } from "node:net";
import { splitFrame } from "../../../sdk/protocol.ts";
import { handshake, maskedFrame, readFrame } from "../../support/raw-frames.ts";

export type RawCalls = {
  /** Every answer so far, by its id. */
  readonly answers: ReadonlyMap<number, { readonly status: number; readonly body: Record<string, unknown> }>;
  /** The code of the close frame, or `undefined` if the connection ended without one. */
  readonly closed: Promise<number | undefined>;
  readonly pongs: () => number;
  /** Sends a text frame. Resolves when the machine has taken it. */
  send(text: string): Promise<void>;
  /** Sends a frame with any opcode and any bytes. */
  sendFrame(opcode: number, payload: Uint8Array, options?: { readonly last?: boolean }): Promise<void>;
  /** Reads nothing more, until `resume`. */
  pause(): void;
  resume(): void;
  reset(): void;
};

/** Resolves if the server responds to the handshake with 101, otherwise rejects. */
export async function connectRawCalls(port: number, apiKey = "local_dev_key"): Promise<RawCalls> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.write(handshake("/connect", { "sec-websocket-protocol": "memx.calls.v1", "x-api-key": apiKey }));
  const answers = new Map<number, { status: number; body: Record<string, unknown> }>();
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<number | undefined>();
  let [pongs, isOpen] = [0, false];
  let bytes = Buffer.alloc(0);
  const take = (opcode: number, payload: Buffer) => {
    if (opcode === 8) {
      closed.resolve(payload.length < 2 ? undefined : payload.readUInt16BE());
      socket.destroy();
    }
    if (opcode !== 1) return;
    const text = payload.toString();
    if (text === "pong") pongs++;
    else {
      for (const line of splitFrame(text)) {
        const { id, ...answer } = JSON.parse(line);
        answers.set(id, answer);
      }
    }
  };
  socket.on("data", (chunk) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    if (!isOpen) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      const status = bytes.toString("latin1", 9, 12);
      if (status !== "101") return opened.reject(new Error(status));
      bytes = bytes.subarray(end + 4);
      isOpen = true;
      opened.resolve();
    }
    for (let frame = readFrame(bytes); frame; frame = readFrame(bytes)) {
      bytes = bytes.subarray(frame.size);
      take(frame.opcode, frame.payload);
    }
  });
  const ended = () => {
    opened.reject(new Error("closed"));
    closed.resolve(undefined);
  };
  socket.on("error", ended);
  socket.on("close", ended);
  await opened.promise;
  const sendFrame: RawCalls["sendFrame"] = (opcode, payload, { last = true } = {}) =>
    new Promise((resolve) => void socket.write(maskedFrame(opcode, payload, last), () => resolve()));
  return {
    answers,
    closed: closed.promise,
    pongs: () => pongs,
    send: (text) => sendFrame(1, Buffer.from(text)),
    sendFrame,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    reset: () => void socket.resetAndDestroy(),
  };
}
