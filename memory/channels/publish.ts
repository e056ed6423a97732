// Publishes applied changes to the channels of their keys and namespace. The caller already has its response and does not wait.

import { type Deadline, withDeadline } from "../deadline.ts";
import { log } from "../log.ts";
import { METRICS } from "../metrics.ts";
import { requestVariables } from "../request-context.ts";
import { openStore } from "../store/open-store.ts";
import { ALL_KEYS, type Applied, type AppliedChange, type Watched } from "../store/store.ts";
import { channelName, type Topic } from "./topic.ts";

const MAX_ATTEMPTS = 4;
const MAX_FIRST_DELAY_MS = 100;

/** Steps of sending one event to one subscriber, where the objects run on the thread of the Worker. */
const EVENT_STEPS = 10;

/**
 * Returns the outcome of a write, and publishes what it applied to the channels that are watched. The caller does not wait for
 * that, and may hang up: the platform then ends its handler, but not what was passed to `waitUntil` before.
 */
export function announce<T extends { readonly outcome: string }>(
  env: Env,
  executionCtx: Pick<ExecutionContext, "waitUntil">,
  namespace: string,
  write: Promise<T | Applied>,
  deadline: Deadline = (work) => withDeadline(work, openStore(env).timeouts.responseMs),
): Promise<T | Applied> {
  const announcement = write.then(
    (outcome) => (isApplied(outcome) ? publishAll(env, namespace, outcome) : undefined),
    () => {
      // Nothing was written, and the caller gets the reason.
    },
  );
  executionCtx.waitUntil(announcement);
  // A write that misses the deadline is still announced if the store applies it.
  return deadline(write);
}

function isApplied(outcome: { readonly outcome: string }): outcome is Applied {
  return outcome.outcome === "applied";
}

/** Publishes to each channel the last of its changes: the channel finds the ones before it in the log. */
async function publishAll(env: Env, namespace: string, { results }: Applied): Promise<void> {
  if (!results.some((result) => result.change !== null && (result.watched || result.namespaceWatched))) return;
  const announcements = new Map<string, { readonly last: AppliedChange; readonly count: number }>();
  const add = (key: string, applied: AppliedChange) => {
    const { last, count } = announcements.get(key) ?? { count: 0 };
    const ttls = [applied.ttl, last?.ttl].filter((ttl) => ttl !== undefined);
    announcements.set(key, {
      last: { ...applied, ...(ttls.length > 0 && { ttl: Math.min(...ttls) }) },
      count: count + 1,
    });
  };
  for (const result of results) {
    if (result.change === null) continue;
    if (result.watched) add(result.change.key, result);
    if (result.namespaceWatched) add(ALL_KEYS, result);
  }
  const { workShare } = env.RATE_LIMITER === undefined ? requestVariables() : {};
  await Promise.all(
    Array.from(announcements, async ([key, { last, count }]) => {
      const subscribers = await publish(env, { namespace, key }, last);
      workShare?.spend(subscribers * count * EVENT_STEPS);
    }),
  );
}

/**
 * Resolves with the number of subscribers when the channel has the change, or with 0 when retrying cannot help: the channel
 * finds its gaps itself.
 */
export async function publish(
  env: Env,
  topic: Topic,
  { change, ttl, gaplessSince }: Omit<AppliedChange, keyof Watched>,
): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub that has failed stays broken, so each attempt gets a new one.
      return await env.CHANNEL.getByName(channelName(topic)).publish(topic, change, ttl, gaplessSince);
    } catch (cause) {
      // See https://developers.cloudflare.com/durable-objects/best-practices/error-handling/.
      const { overloaded, retryable } = cause as { overloaded?: boolean; retryable?: boolean };
      if (attempt === MAX_ATTEMPTS || overloaded || !retryable) {
        METRICS.publishFailures.add();
        log("warn", "publish_failed", { revision: change.revision, attempt, cause });
        return 0;
      }
      await scheduler.wait(MAX_FIRST_DELAY_MS * 2 ** (attempt - 1) * Math.random());
    }
  }
}
