// A WebSocket client over plain TCP that reports when a close frame arrives. Node's own client reports only the end of
// the connection, which workerd leaves to the client.

import { connect } from "node:net";
import { handshake } from "../../support/raw-frames.ts";

export type RawSubscriber = {
  readonly texts: readonly string[];
  readonly isOpen: () => boolean;
  readonly closed: Promise<{ readonly code: number; readonly reason: string; readonly atMs: number }>;
};

/** Resolves if the server responds to the handshake with 101, otherwise rejects. */
export async function connectRaw(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<RawSubscriber> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(handshake(path, headers));
  const texts: string[] = [];
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<Awaited<RawSubscriber["closed"]>>();
  let isOpen = false;
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!isOpen) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      const status = bytes.toString("latin1", 9, 12);
      bytes = bytes.subarray(end + 4);
      if (status !== "101") return opened.reject(new Error(status));
      isOpen = true;
      opened.resolve();
    }
    for (let frame = readFrame(bytes); frame; frame = readFrame(bytes)) {
      bytes = bytes.subarray(frame.size);
      if (frame.opcode === 1) texts.push(frame.payload.toString());
      if (frame.opcode !== 8) continue;
      isOpen = false;
      closed.resolve({
        code: frame.payload.readUInt16BE(),
        reason: frame.payload.toString("utf8", 2),
        atMs: Date.now(),
      });
      socket.destroy();
    }
  });
  socket.on("error", opened.reject);
  await opened.promise;
  return { texts, isOpen: () => isOpen, closed: closed.promise };
}

/** Reads a frame from a server, which is unmasked (RFC 6455 §5.2). Supports no 64-bit lengths. */
function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1);
  const start = short === 126 ? 4 : 2;
  if (bytes.length < start) return undefined;
  const size = start + (short === 126 ? bytes.readUInt16BE(2) : short);
  if (bytes.length < size) return undefined;
  return { opcode: bytes.readUInt8(0) & 0x0f, payload: bytes.subarray(start, size), size };
}
