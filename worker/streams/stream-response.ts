// A response that is written while a channel's events arrive. When either of the two ends, the other ends too.

import { type ChannelEvents, channelEvents } from "./channel-events.ts";

export type Write = (text: string) => Promise<void>;

/** @param send writes the body; if it throws, the client sees the body break off */
export function streamResponse(
  socket: WebSocket,
  contentType: string,
  send: (events: ChannelEvents, write: Write) => Promise<void>,
  onPong?: (write: Write) => void,
): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const write: Write = (text) => writer.write(encoder.encode(text));
  const events = channelEvents(socket, () => onPong?.(write));
  // A client that leaves ends its subscription.
  writer.closed.catch(() => events.close());
  send(events, write)
    .then(() => writer.close())
    .catch((cause) => writer.abort(cause))
    .catch(() => {
      // The client has left, so the response has no reader.
    })
    .finally(() => events.close());
  return new Response(readable, { headers: { "content-type": contentType } });
}
