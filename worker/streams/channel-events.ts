// A channel's socket as a sequence of texts, for answers that are streams. It reads as fast as its consumer does, and
// tells the channel so.

const PING_CHARS = 128 * 1024;

export type ChannelEvents = AsyncIterable<string> & {
  /** Asks whether the channel is there: it answers `pong`. */
  ping(): void;
  close(): void;
};

/** Ends when the channel closes the socket, or `close` is called. `onPong` is told when the channel has answered. */
export function channelEvents(socket: WebSocket, onPong: () => void = () => {}): ChannelEvents {
  const texts: string[] = [];
  let open = true;
  /** One at a time, so that a ping always says that what came before the last pong was read. */
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
