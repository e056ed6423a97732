// A channel's socket as a sequence of texts, for answers that are streams. It reads as fast as its consumer does, and
// tells the channel so.

const PING_CHARS = 1024 * 1024;

export type ChannelEvents = AsyncIterable<string> & { close(): void };

/** Ends when the channel closes the socket, or `close` is called. */
export function channelEvents(socket: WebSocket): ChannelEvents {
  const texts: string[] = [];
  let open = true;
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
        } else if (text !== "pong") {
          yield text;
          unconfirmed += text.length;
          if (unconfirmed < PING_CHARS) continue;
          unconfirmed = 0;
          socket.send("ping");
        }
      }
    },
    close() {
      end();
      socket.close(1000);
    },
  };
}
