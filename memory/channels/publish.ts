// From an applied change to the channels of its key and namespace. The caller of memX has its answer already and waits for
// none of this.

import type { Context } from "hono";
import { withDeadline } from "../deadline.ts";
import { log } from "../log.ts";
import { ALL_KEYS, type Applied, type AppliedChange, type Conflict } from "../store/store.ts";
import { channelName, type Topic } from "./topic.ts";

const MAX_ATTEMPTS = 4;
const MAX_FIRST_DELAY_MS = 100;

/**
 * The outcome of a write, of which the keys' channels are told if anyone is there. The caller does not wait for that,
 * and may hang up: the platform then ends its handler, but not what was handed to `waitUntil` before.
 */
export function announced<T extends Applied | Conflict>(
  c: Context<{ Bindings: Env }>,
  namespace: string,
  write: Promise<T>,
): Promise<T> {
  const announcement = write.then(
    (outcome) => (outcome.outcome === "applied" ? publishAll(c.env, namespace, outcome) : undefined),
    () => {
      // Nothing was written, and the caller is told why.
    },
  );
  c.executionCtx.waitUntil(announcement);
  // A write that is late is announced if it is applied after all.
  return withDeadline(write);
}

/** Each channel is sent the last change that is its own: those before it, it finds in the log. */
async function publishAll(env: Env, namespace: string, { results }: Applied): Promise<void> {
  const announcements = new Map<string, AppliedChange>();
  const add = (key: string, applied: AppliedChange) => {
    const ttls = [applied.ttl, announcements.get(key)?.ttl].filter((ttl) => ttl !== undefined);
    announcements.set(key, { ...applied, ...(ttls.length > 0 && { ttl: Math.min(...ttls) }) });
  };
  for (const result of results) {
    if (result.change === null) continue;
    if (result.watched) add(result.change.key, result);
    if (result.namespaceWatched) add(ALL_KEYS, result);
  }
  await Promise.all(Array.from(announcements, ([key, applied]) => publish(env, { namespace, key }, applied)));
}

/** Resolves when the channel has the change, or nothing more can be done here: the channel finds its gaps itself. */
async function publish(env: Env, topic: Topic, { change, ttl }: AppliedChange): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub that has failed stays broken, so each attempt takes a new one.
      return await env.CHANNEL.getByName(channelName(topic)).publish(topic, change, ttl);
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
