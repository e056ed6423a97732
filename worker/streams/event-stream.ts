// Sends a channel's events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A client
// reconnects with the id of the last event it got. Events of a snapshot have no id, because nothing can resume after them.

import type { Join } from "../../memory/channels/join.ts";
import { isReady, isReset, revisionOf } from "./peek-event.ts";
import { streamResponse } from "./stream-response.ts";

export function eventStream(socket: WebSocket, { since }: Join): Response {
  return streamResponse(
    socket,
    "text/event-stream",
    async (events, write) => {
      let inSnapshot = since === 0;
      for await (const text of events) {
        if (isReset(text)) inSnapshot = true;
        if (isReady(text)) inSnapshot = false;
        const id = inSnapshot ? "" : `id: ${revisionOf(text)}\n`;
        await write(`${id}${dataLines(text)}\n`);
      }
    },
    {
      onTick: (events) => events.ping(),
      // A comment shows the client that the channel is there, not only the Worker.
      onPong: (write) => {
        write(":\n\n").catch(() => {
          // The client has left, and the stream ends.
        });
      },
    },
  );
}

/** One `data:` line per line of the text. Line breaks occur only in white space between the tokens of a value. */
function dataLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join("");
}
