// Sends a channel's events as one response: everything so far, or the first event that comes while the client waits. Written as
// the events arrive, because a snapshot can be larger than the memory of an isolate.

import { isReady, isReset, revisionOf } from "./peek-event.ts";
import { streamResponse } from "./stream-response.ts";

export function longPoll(socket: WebSocket, waitMs: number): Response {
  return streamResponse(socket, "application/json", async (events, write) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let [revision, reset, ready, separator] = [0, false, false, ""];
    try {
      await write('{"changes":[');
      for await (const text of events) {
        if (isReset(text)) {
          // A snapshot follows, and it is complete only once its `ready` has come.
          [reset, ready] = [true, false];
          clearTimeout(timer);
        } else if (isReady(text)) {
          [revision, ready] = [revisionOf(text), true];
          if (separator !== "" || reset) break;
          timer = setTimeout(() => events.close(), waitMs);
        } else {
          await write(separator + text);
          separator = ",";
          if (!ready) continue;
          revision = revisionOf(text);
          break;
        }
      }
      // The client must not take half a snapshot for a whole one.
      if (!ready) throw new Error("the channel closed before it was ready");
      await write(`],"revision":${revision},"reset":${reset}}`);
    } finally {
      clearTimeout(timer);
    }
  });
}
