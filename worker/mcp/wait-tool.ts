// The tool that waits: the long poll of /changes, so that an agent sleeps until another one has written.

import { joinSocket } from "../../memory/channels/join.ts";
import { storeUnavailable } from "../../memory/errors.ts";
import { channelEvents } from "../streams/channel-events.ts";
import { pollChanges } from "../streams/long-poll.ts";
import { STREAM, watchTopic } from "../streams/read-subscription.ts";
import { ResultList } from "./fit-result.ts";
import type { Tool } from "./tool.ts";

const NOTE = "There is more than fits here. Read it with memx_list and memx_get, and wait from `revision`.";

export const wait: Tool<{ patterns: string[]; since?: number; seconds?: number }> = async (
  { env, caller, signal },
  { patterns, since, seconds = 20 },
) => {
  const from = since === undefined ? {} : { since };
  const events = channelEvents(
    await joinSocket(env, { ...watchTopic(caller, patterns), event: "value", ...from, ...STREAM }),
  );
  const close = () => events.close();
  signal.addEventListener("abort", close);
  const changes = new ResultList();
  let isSnapshot = since === 0;
  let isComplete = true;
  try {
    const { revision, reset } = await pollChanges(events, seconds * 1000, {
      onChange(text) {
        isComplete &&= changes.add(text);
        // The next call can begin after the last change of this one. A snapshot has no such place.
        return isComplete || isSnapshot;
      },
      onReset() {
        changes.clear();
        [isSnapshot, isComplete] = [true, true];
      },
    });
    const note = isComplete || !isSnapshot ? "" : `,"note":${JSON.stringify(NOTE)}`;
    return { json: `{"changes":${changes.toText()},"revision":${revision},"reset":${reset}${note}}` };
  } catch (cause) {
    throw storeUnavailable(cause);
  } finally {
    signal.removeEventListener("abort", close);
    events.close();
  }
};
