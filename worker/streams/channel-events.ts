// Reads a channel's socket as a sequence of texts, for responses that are streams. It reads as fast as its consumer, and its
// pings let the channel see how fast that is.

const PING_CHARS = 128 * 1024;

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
  let wake = () => {};
  socket.addEventListener("message", ({ data }) => {
    texts.push(data as string);
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
          if (!open) return;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        if (text === "pong") {
          pinged = false;
          onPong();
        } else {
          yield text;
          unconfirmed += text.length;
        }
        if (unconfirmed < PING_CHARS || pinged) continue;
        unconfirmed = 0;
        ping();
      }
    },
    ping,
    close() {
      end();
      socket.close(1000);
    },
  };
}
