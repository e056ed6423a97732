// The share of an isolate's time that the requests of one namespace may take with costly work, so that other namespaces, which
// wait for the same thread, are served meanwhile. A token bucket (https://en.wikipedia.org/wiki/Token_bucket) of steps, about a
// microsecond each: checks against schemas, patches, batches, joins, large bodies, and large responses. Small calls need none. A
// namespace that has the isolate to itself may take all of it.

import { LRUCache } from "lru-cache";
import { callLimit } from "../config/call-limit.ts";
import { LIMITS } from "../config/limits.ts";
import { ApiError } from "./errors.ts";
import { requestVariables } from "./request-context.ts";

/** Steps of a page of a history, besides its text. */
export const HISTORY_STEPS = 500;

/** Steps of one write among several in a request: the store's, and those of its answer. */
export const WRITE_STEPS = 250;

/** Milliseconds for which a namespace counts as active after its last call. */
const ACTIVE_MS = 60_000;

const STEPS_PER_MS = LIMITS.sharedStepsPerSecond / 1000;

/** The namespace of the last call and when it came, and when two namespaces last took turns. */
let latest: WorkShare | undefined;
let latestAtMs = Number.NEGATIVE_INFINITY;
let sharedAtMs = Number.NEGATIVE_INFINITY;

/** Namespaces that this isolate has a bucket for. One that falls out starts with a full bucket. */
const shares = new LRUCache<string, WorkShare>({ max: 10_000 });

export class WorkShare {
  #left: number = LIMITS.maxSharedSteps;
  #atMs = Date.now();

  /** Takes steps for work that has been done or is about to be. */
  spend(steps: number): void {
    this.#left = Math.max(this.#left - steps, -LIMITS.maxSharedDebt);
  }

  /**
   * Call it before costly work, with no `await` in between: what other requests of the namespace have spent by then counts.
   * @throws {ShareUsed}
   */
  require(): void {
    const nowMs = Date.now();
    // A clock that went back must not take anything away.
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#left = Math.min(LIMITS.maxSharedSteps, this.#left + passedMs * STEPS_PER_MS);
    this.#atMs = nowMs;
    if (this.#left > 0 || nowMs - sharedAtMs > ACTIVE_MS) return;
    throw new ShareUsed(Math.max(1, Math.ceil(-this.#left / LIMITS.sharedStepsPerSecond)));
  }
}

/** The namespace has no steps left, and others need the isolate. Nothing that the request asked for was done. */
export class ShareUsed extends ApiError {
  constructor(retryAfterSeconds: number) {
    const detail =
      "The API keys of this namespace have used their share of memX's time. Slow down, or send less at a time.";
    super("rate_limited", detail, { retryAfterSeconds });
  }
}

/**
 * Call it before costly work that no meter counts: a listing, a history, a join, or many writes.
 * @throws {ShareUsed}
 */
export function beginWork(steps: number): void {
  const { workShare } = requestVariables();
  workShare?.require();
  workShare?.spend(steps);
}

/**
 * The share of a namespace that calls. Returns `undefined` where calls are not counted either: in development, and with
 * `RATE_LIMIT=0`.
 */
export function workShare(env: Env, namespace: string): WorkShare | undefined {
  if (env.MEMX_ENV === "development" || callLimit(env) === undefined) return undefined;
  let share = shares.get(namespace);
  if (!share) {
    share = new WorkShare();
    shares.set(namespace, share);
  }
  const nowMs = Date.now();
  if (latest !== share && nowMs - latestAtMs <= ACTIVE_MS) sharedAtMs = nowMs;
  latest = share;
  latestAtMs = nowMs;
  return share;
}
