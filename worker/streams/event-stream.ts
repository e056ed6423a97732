// A channel's events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). The id of an
// event is what to come back with, so events of a snapshot have none: they do not say what came before them.

import type { Join } from "../../memory/channels/join.ts";
import { isReady, isReset, revisionOf } from "./peek-event.ts";
import { streamed } from "./stream-response.ts";

const KEEP_ALIVE_MS = 15_000;

export function eventStream(socket: WebSocket, { since }: Join): Response {
  return streamed(
    socket,
    "text/event-stream",
    async (events, write) => {
      let inSnapshot = since === 0;
      const keepAlive = setInterval(() => events.ping(), KEEP_ALIVE_MS);
      try {
        for await (const text of events) {
          if (isReset(text)) inSnapshot = true;
          if (isReady(text)) inSnapshot = false;
          const id = inSnapshot ? "" : `id: ${revisionOf(text)}\n`;
          await write(`${id}${dataLines(text)}\n`);
        }
      } finally {
        clearInterval(keepAlive);
      }
    },
    // A comment, which says that the channel is there and not only the Worker.
    (write) => {
      write(":\n\n").catch(() => {
        // The client has gone, and the stream ends.
      });
    },
  );
}

/** A text with line breaks takes a line for each; they can only be in white space between the tokens of a value. */
function dataLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join("");
}
