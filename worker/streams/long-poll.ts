// A channel's events as one answer: all that there is by now, or the first that comes while the client waits. Written as it
// arrives, because a snapshot may be larger than an isolate.

import { isReady, isReset, revisionOf } from "./peek-event.ts";
import { streamed } from "./stream-response.ts";

export function longPoll(socket: WebSocket, since: number, waitMs: number): Response {
  return streamed(socket, "application/json", async (events, write) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let [revision, reset, ready, separator] = [since, false, false, ""];
    try {
      await write('{"changes":[');
      for await (const text of events) {
        if (isReset(text)) {
          // All that is held follows, and only with its `ready` is it whole.
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
      // Half of what is held must not be taken for all of it.
      if (!ready) throw new Error("the channel closed before it was ready");
      await write(`],"revision":${revision},"reset":${reset}}`);
    } finally {
      clearTimeout(timer);
    }
  });
}
