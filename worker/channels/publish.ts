// From an applied change to the channels of its key and namespace. The caller of memX has its answer already and waits for
// none of this.

import type { Context } from "hono";
import type { Change } from "../../sdk/protocol.ts";
import { inTime } from "../in-time.ts";
import { log } from "../log.ts";
import { ALL_KEYS, type AppliedChange } from "../store/store.ts";
import { channelName } from "./channel-name.ts";
import type { Topic } from "./join.ts";

const MAX_ATTEMPTS = 4;
const MAX_FIRST_DELAY_MS = 100;

/**
 * The outcome of a write, of which the key's channel is told if anyone is there. The caller does not wait for that,
 * and may hang up: the platform then ends its handler, but not what was handed to `waitUntil` before.
 */
export function announced<T extends AppliedChange | null>(
  c: Context<{ Bindings: Env }>,
  namespace: string,
  write: Promise<T>,
): Promise<T> {
  const announcement = write.then(
    (applied) => applied && publishAll(c.env, namespace, applied),
    () => {
      // Nothing was written, and the caller is told why.
    },
  );
  c.executionCtx.waitUntil(announcement);
  // A write that is late is announced if it is applied after all.
  return inTime(write);
}

async function publishAll(env: Env, namespace: string, { change, watched, namespaceWatched }: AppliedChange) {
  await Promise.all([
    watched && publish(env, { namespace, key: change.key }, change),
    namespaceWatched && publish(env, { namespace, key: ALL_KEYS }, change),
  ]);
}

/** Resolves when the channel has the change, or nothing more can be done here: the channel finds its gaps itself. */
async function publish(env: Env, topic: Topic, change: Change): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub that has failed stays broken, so each attempt takes a new one.
      return await env.CHANNEL.getByName(channelName(topic.namespace, topic.key)).publish(topic, change);
    } catch (cause) {
      // As https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ says.
      const { overloaded, retryable } = cause as { overloaded?: boolean; retryable?: boolean };
      if (attempt === MAX_ATTEMPTS || overloaded || !retryable) {
        log("warn", "publish_failed", { revision: change.revision, attempt, cause });
        return;
      }
      await scheduler.wait(MAX_FIRST_DELAY_MS * 2 ** (attempt - 1) * Math.random());
    }
  }
}
