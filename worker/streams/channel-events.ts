// Reads a channel's socket as a sequence of texts, for responses that are streams. It reads as fast as its consumer, and its
// pings let the channel see how fast that is.

import { TRY_AGAIN_LATER } from "../../sdk/protocol.ts";
import { countWaiting } from "./unread-streams.ts";

const PING_CHARS = 32 * 1024;

/** A ping confirms what was sent before its millisecond. A second one, this much later, confirms the rest. */
const SECOND_PING_MS = 20;

export type ChannelEvents = AsyncIterable<string> & {
  /** Checks that the channel is there: it responds with `pong`. */
  ping(): void;
  close(): void;
};

/** Ends when the channel closes the socket or `close` is called. `onPong` is called when the channel responds to a ping. */
export function channelEvents(socket: WebSocket, onPong: () => void = () => {}): ChannelEvents {
  const texts: string[] = [];
  let open = true;
  /** At most one ping is open, so that each ping confirms that everything before the last pong was read. */
  let pinged = false;
  let pingAgain = false;
  let wake = () => {};
  const waiting = countWaiting(() => {
    texts.length = 0;
    end();
    socket.close(TRY_AGAIN_LATER);
  });
  socket.addEventListener("message", ({ data }) => {
    if (!open) return;
    texts.push(data as string);
    waiting.add((data as string).length);
    wake();
  });
  const end = () => {
    open = false;
    wake();
  };
  socket.addEventListener("close", end);
  socket.addEventListener("error", end);
  socket.accept();
  const ping = () => {
    if (!open || pinged) return;
    pinged = true;
    socket.send("ping");
  };
  return {
    async *[Symbol.asyncIterator]() {
      let unconfirmed = 0;
      for (;;) {
        const text = texts.shift();
        if (text === undefined) {
          if (!open) return waiting.end();
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        if (text === "pong") {
          pinged = false;
          waiting.add(-text.length);
          onPong();
          if (pingAgain) setTimeout(ping, SECOND_PING_MS);
          pingAgain = false;
        } else {
          yield text;
          unconfirmed += text.length;
          waiting.add(-text.length);
        }
        if (unconfirmed < PING_CHARS || pinged) continue;
        unconfirmed = 0;
        pingAgain = true;
        ping();
      }
    },
    ping,
    close() {
      waiting.end();
      texts.length = 0;
      end();
      socket.close(1000);
    },
  };
}
