// A long poll: everything so far, or the first event that comes while the caller waits. Over HTTP it is written as the events
// arrive, because a snapshot can be larger than the memory of an isolate.

import { requestVariables } from "../../memory/request-context.ts";
import type { ChannelEvents } from "./channel-events.ts";
import { isReady, isReset, revisionOf } from "./peek-event.ts";
import { streamResponse } from "./stream-response.ts";

/** Steps of an event, and characters of events that are read in one. */
const EVENT_STEPS = 10;
const READ_IN_A_STEP = 100;

export type Polled = {
  /** Poll again after this revision. */
  readonly revision: number;
  /** The changes that were sent since the last reset are a snapshot of everything. */
  readonly reset: boolean;
};

export function longPoll(socket: WebSocket, waitMs: number): Response {
  return streamResponse(socket, "application/json", async (events, write) => {
    let separator = "";
    await write('{"changes":[');
    const { revision, reset } = await pollChanges(events, waitMs, {
      onChange: async (text) => {
        await write(separator + text);
        separator = ",";
        return true;
      },
    });
    await write(`],"revision":${revision},"reset":${reset}}`);
  });
}

type Listener = {
  /** Called for each change, in order. If it returns `false`, the poll ends before this change. */
  readonly onChange: (text: string) => boolean | Promise<boolean>;
  /** What was sent before is void. */
  readonly onReset?: () => void;
};

/**
 * Closes `events` when the time is over. The caller closes them in all other cases.
 * @throws {Error} if the channel closes before it has sent everything so far
 */
export async function pollChanges(
  events: ChannelEvents,
  waitMs: number,
  { onChange, onReset }: Listener,
): Promise<Polled> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [revision, reset, ready, changed] = [0, false, false, false];
  try {
    for await (const text of events) {
      requestVariables().workShare?.spend(EVENT_STEPS + text.length / READ_IN_A_STEP);
      if (isReset(text)) {
        // A snapshot follows, and it is complete only once its `ready` has come.
        [reset, ready] = [true, false];
        clearTimeout(timer);
        onReset?.();
      } else if (isReady(text)) {
        [revision, ready] = [revisionOf(text), true];
        if (changed || reset) break;
        timer = setTimeout(() => events.close(), waitMs);
      } else {
        if (!(await onChange(text))) return { revision, reset };
        [revision, changed] = [revisionOf(text), true];
        if (ready) break;
      }
    }
  } finally {
    clearTimeout(timer);
  }
  // The caller must not take half a snapshot for a whole one.
  if (!ready) throw new Error("the channel closed before it was ready");
  return { revision, reset };
}
