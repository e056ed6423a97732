// From an applied change to the channel of its key. The caller of memX has its answer already and waits for none of this.

import type { Context } from "hono";
import type { Change } from "../sdk/protocol.ts";
import { channelName } from "./channel-name.ts";
import type { AppliedChange } from "./store/store.ts";

const MAX_ATTEMPTS = 4;
const FIRST_DELAY_MS = 50;

/** Tells the key's channel, if anyone is there, without keeping the caller waiting. */
export function announce(c: Context<{ Bindings: Env }>, namespace: string, { change, watched }: AppliedChange): void {
  if (watched) c.executionCtx.waitUntil(publish(c.env, namespace, change));
}

/** Resolves when the channel has the change, or nothing more can be done here: the channel finds its gaps itself. */
async function publish(env: Env, namespace: string, change: Change): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub that has failed stays broken, so each attempt takes a new one.
      return await env.CHANNEL.getByName(channelName(namespace, change.key)).publish(namespace, change);
    } catch (cause) {
      const { retryable, overloaded } = cause as { retryable?: boolean; overloaded?: boolean };
      if (attempt === MAX_ATTEMPTS || !retryable || overloaded) {
        console.warn({ event: "publish_failed", revision: change.revision, attempt, retryable, overloaded });
        return;
      }
      await scheduler.wait(FIRST_DELAY_MS * 2 ** attempt * Math.random());
    }
  }
}
