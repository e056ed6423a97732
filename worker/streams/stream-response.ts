// A response that is written while a channel's events arrive. When either of the two ends, the other ends too.

import { LIMITS } from "../../config/limits.ts";
import { type ChannelEvents, channelEvents } from "./channel-events.ts";

export type Write = (text: string) => Promise<void>;

/** A tick that finds the write of the tick before still unread ends the stream, so twice this is the repair interval. */
const TICK_MS = LIMITS.repairIntervalMs / 2;

/** Large texts are written in pieces, so that a reader that is only slow is seen to read. */
const PIECE_BYTES = 16 * 1024;

/** @param send writes the body; if it throws, the client sees the body break off */
export function streamResponse(
  socket: WebSocket,
  contentType: string,
  send: (events: ChannelEvents, write: Write) => Promise<void>,
  { onTick, onPong }: { onTick?: (events: ChannelEvents) => void; onPong?: (write: Write) => void } = {},
): Response {
  let stream: TransformStreamDefaultController<Uint8Array> | undefined;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    start(controller) {
      stream = controller;
    },
  });
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  /** Pieces that wait for the reader, pieces that it has taken, and how many it had taken when pieces last waited. */
  let [waiting, taken, takenAtTick] = [0, 0, -1];
  const write: Write = async (text) => {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      waiting++;
      await writer.write(bytes.subarray(at, at + PIECE_BYTES));
      waiting--;
      taken++;
    }
  };
  const events = channelEvents(socket, () => onPong?.(write));
  // A reader can be gone without a word: nothing cancels a body that is never read.
  const ticks = setInterval(() => {
    // Not by an abort, which would wait for the pending write.
    if (waiting > 0 && taken === takenAtTick) return stream?.error(new Error("The client reads nothing."));
    takenAtTick = waiting > 0 ? taken : -1;
    onTick?.(events);
  }, TICK_MS);
  // A client that leaves ends its subscription.
  writer.closed.catch(() => events.close());
  send(events, write)
    .then(() => writer.close())
    .catch((cause) => writer.abort(cause))
    .catch(ignore)
    .finally(() => {
      clearInterval(ticks);
      events.close();
    });
  return new Response(readable, { headers: { "content-type": contentType } });
}

function ignore(): void {
  // The client has left, so the response has no reader.
}
