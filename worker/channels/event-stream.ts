// A channel's events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). The id of an
// event is what to come back with, so events of a snapshot have none: they do not say what came before them.

import { channelEvents } from "./channel-events.ts";
import { isReady, isReset, revisionOf } from "./event-text.ts";
import type { Join } from "./join.ts";

const KEEP_ALIVE_MS = 15_000;

export function eventStream(socket: WebSocket, { since }: Join): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const events = channelEvents(socket);
  // A client that leaves takes its subscription with it.
  writer.closed.catch(() => events.close());
  const keepAlive = setInterval(() => {
    writer.write(encoder.encode(":\n\n")).catch(() => {
      // The client has gone.
    });
  }, KEEP_ALIVE_MS);

  const forward = async () => {
    let inSnapshot = since === 0;
    try {
      for await (const text of events) {
        if (isReset(text)) inSnapshot = true;
        if (isReady(text)) inSnapshot = false;
        const id = inSnapshot ? "" : `id: ${revisionOf(text)}\n`;
        await writer.write(encoder.encode(`${id}${dataLines(text)}\n`));
      }
      await writer.close();
    } catch {
      // The client has gone.
    } finally {
      clearInterval(keepAlive);
      events.close();
    }
  };
  void forward();
  return new Response(readable, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}

/** A text with line breaks takes a line for each; they can only be in white space between the tokens of a value. */
function dataLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join("");
}
