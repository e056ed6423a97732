// A channel's events as one answer: all that there is by now, or the first that comes while the client waits. Written as it
// arrives, because a snapshot may be larger than an isolate.

import { channelEvents } from "./channel-events.ts";
import { isReady, isReset, revisionOf } from "./event-text.ts";

export function longPoll(socket: WebSocket, since: number, waitMs: number): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const write = (text: string) => writer.write(encoder.encode(text));

  const forward = async () => {
    const events = channelEvents(socket);
    // A client that leaves takes its subscription with it.
    writer.closed.catch(() => events.close());
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Where it breaks off before `ready`, the client asks again from where it was.
    let [revision, reset, ready, separator] = [since, false, false, ""];
    try {
      await write('{"changes":[');
      for await (const text of events) {
        if (isReset(text)) reset = true;
        else if (isReady(text)) {
          ready = true;
          revision = revisionOf(text);
          if (separator !== "") break;
          timer = setTimeout(() => events.close(), waitMs);
        } else {
          await write(separator + text);
          separator = ",";
          if (!ready) continue;
          revision = revisionOf(text);
          break;
        }
      }
      await write(`],"revision":${revision},"reset":${reset}}`);
      await writer.close();
    } catch {
      // The client has gone.
    } finally {
      clearTimeout(timer);
      events.close();
    }
  };
  void forward();
  return new Response(readable, { headers: { "content-type": "application/json", "cache-control": "no-store" } });
}
