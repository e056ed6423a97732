// A simulated agent: it takes leases with the SDK's own code, holds them for a while, and ends them in every way there is.

import { MemxError } from "../../../sdk/typescript/errors.ts";
import { acquireLease, type Lease, type LeaseOptions } from "../../../sdk/typescript/lease.ts";
import type { LeaseRuntime } from "../../../sdk/typescript/lease-session.ts";
import type { Random } from "../../support/random.ts";
import { type Network, newTraffic, type Traffic } from "./network.ts";
import type { Process } from "./process.ts";
import type { AttemptId, Server } from "./server.ts";
import type { Timeline } from "./timeline.ts";

/** What is known of one call of `lease`. Times are real ones, unless they say otherwise. */
export type Attempt = {
  readonly id: AttemptId;
  readonly process: Process;
  readonly key: string;
  readonly ttlMs: number;
  readonly startedAtMs: number;
  readonly traffic: Traffic;
  readonly canRead: boolean;
  readonly isUnique: boolean;
  lease?: Lease;
  /** How the acquisition failed. */
  error?: unknown;
  isAbandoned: boolean;
  /** By the process's clock: when `release` was called, and until when it may take. */
  releaseBeforeMs?: number;
  isReleased: boolean;
  /** Timers that the SDK has set. */
  readonly timers: Set<unknown>;
  /** What the judge has seen. */
  isSeen: boolean;
  isEnded: boolean;
  isQuiet: boolean;
};

export type Habits = {
  readonly keys: readonly string[];
  readonly ttls: readonly number[];
  /** Whether it may crash, abandon a lease, or have a key that may not read. */
  readonly isUnreliable: boolean;
};

export async function act(
  process: Process,
  world: {
    readonly timeline: Timeline;
    readonly server: Server;
    readonly network: Network;
    readonly attempts: Attempt[];
  },
  habits: Habits,
  random: Random,
): Promise<void> {
  for (let rounds = random.integer(1, 4); rounds > 0; rounds--) {
    await process.wait(random.number(0, 5_000));
    const abort = new AbortController();
    // Of agents that share an Idempotency-Key, all send the same claim.
    const sharedId = random.chance(0.2) ? random.pick(["job-1", "job-2"]) : undefined;
    const ttl = sharedId === undefined ? random.pick(habits.ttls) : (habits.ttls[0] as number);
    const isUnique = sharedId === undefined ? random.chance(0.7) : sharedId === "job-1";
    const options: LeaseOptions = {
      ttl,
      wait: random.chance(0.5),
      signal: abort.signal,
      ...(!isUnique && { holder: "agent" }),
      ...(sharedId !== undefined && { idempotencyKey: sharedId }),
    };
    const attempt: Attempt = {
      id: world.attempts.length + 1,
      process,
      key: sharedId === undefined ? random.pick(habits.keys) : (habits.keys[0] as string),
      ttlMs: ttl * 1_000,
      startedAtMs: world.timeline.nowMs,
      traffic: newTraffic(sharedId, world.timeline.nowMs + world.server.memoryMs),
      canRead: !(habits.isUnreliable && random.chance(0.1)),
      isUnique,
      isAbandoned: false,
      isReleased: false,
      timers: new Set(),
      isSeen: false,
      isEnded: false,
      isQuiet: false,
    };
    world.attempts.push(attempt);
    // Otherwise an agent may wait for ever behind a key that is never free.
    const patience = process.setTimer(
      () => abort.abort(new Error("cancelled")),
      random.chance(0.4) ? random.number(0, 2_000) : random.number(60_000, 300_000),
    );
    const transport = world.network.connect(process, attempt.id, attempt.traffic, attempt.canRead);
    try {
      attempt.lease = await acquireLease(transport, attempt.key, options, runtimeOf(attempt));
      world.timeline.note(`attempt ${attempt.id}: has the lease ${attempt.lease.token}`);
    } catch (error) {
      attempt.error = error;
      attempt.traffic.isOver = true;
      world.timeline.note(`attempt ${attempt.id}: ${error}`);
      if (!(error instanceof MemxError) && error !== abort.signal.reason) throw error;
      continue;
    } finally {
      process.clearTimer(patience);
    }
    await hold(attempt, attempt.lease, habits, random);
    world.timeline.note(`attempt ${attempt.id}: released`);
  }
}

async function hold(attempt: Attempt, lease: Lease, { isUnreliable }: Habits, random: Random): Promise<void> {
  const { process, ttlMs, traffic } = attempt;
  const holdsMs = random.number(0, random.pick([0.2, 1, 4]) * ttlMs);
  const isLost = new Promise<void>((resolve) => lease.signal.addEventListener("abort", () => resolve()));
  lease.signal.addEventListener("abort", () => {
    traffic.isOver = true;
  });
  await Promise.race([process.wait(holdsMs), isLost]);
  if (isUnreliable && random.chance(0.15)) {
    process.crash();
    await new Promise(() => {});
  }
  if (isUnreliable && random.chance(0.1)) {
    attempt.isAbandoned = true;
    lease.abandon();
  }
  attempt.releaseBeforeMs = lease.signal.aborted ? process.nowMs : Math.max(process.nowMs, traffic.provenUntilMs);
  const released = lease.release();
  if (released !== lease[Symbol.asyncDispose]()) throw new Error("two calls of release return two promises");
  await released;
  attempt.isReleased = true;
}

/** Counts the timers. */
function runtimeOf({ process: { runtime }, timers }: Attempt): LeaseRuntime {
  return {
    ...runtime,
    setTimer(callback, ms, isBackground) {
      const onTime = () => {
        timers.delete(timer);
        callback();
      };
      const timer = runtime.setTimer(onTime, ms, isBackground);
      timers.add(timer);
      return timer;
    },
    clearTimer(timer) {
      timers.delete(timer);
      runtime.clearTimer(timer);
    },
  };
}
