// Who may hold a key, by the model. It looks at the truth that no process can see: what memX stores at this moment.
//
// 1. While a lease is live (its signal is not aborted, and its process runs), memX stores what that lease wrote. So there
//    are never two live leases on a key. After a suspension, a lease has a few seconds to find out.
// 2. A lease never outlives its validity, which counts from the first try of the last write that memX confirmed.
// 3. A lease is not lost early: before its validity is over, only if memX no longer stores what it wrote.
// 4. Tokens grow with each holder.
// 5. `release` is done by the end of the lease.
// 6. When an attempt comes to rest, memX stores nothing of it, unless its process crashed or abandoned it, or memX was
//    away until the ttl of its last write was over.
// 7. An attempt that waits for a key claims it soon after it is free, and does not hammer memX until then.
// 8. Everything comes to rest, and every promise settles.

import { LeaseLostError } from "../../../sdk/typescript/errors.ts";
import type { Attempt } from "./agent.ts";
import type { Server } from "./server.ts";
import type { Timeline } from "./timeline.ts";

/** For timers, which count whole milliseconds. */
const TOLERANCE_MS = 2;
/** The network tells of a key that is free within 2 seconds. */
const MAX_NEWS_MS = 2_500;
/** Of one attempt, in 10 seconds. */
const MAX_CLAIMS = 80;

export class Judge {
  readonly faults: string[] = [];
  readonly #timeline: Timeline;
  readonly #server: Server;
  readonly #attempts: readonly Attempt[];
  readonly #tokens = new Map<string, number>();

  constructor(timeline: Timeline, server: Server, attempts: readonly Attempt[]) {
    this.#timeline = timeline;
    this.#server = server;
    this.#attempts = attempts;
  }

  look(): void {
    for (const attempt of this.#attempts) {
      if (attempt.lease) this.#lookAtLease(attempt, attempt.lease);
      this.#lookAtRest(attempt);
    }
  }

  lookAtEnd(): void {
    for (const attempt of this.#attempts) {
      if (attempt.process.isDead) continue;
      if (!attempt.lease && attempt.error === undefined) this.#fault(attempt, "the acquisition never settled");
      if (attempt.lease && !attempt.isReleased) this.#fault(attempt, "the release never settled");
      if (!attempt.isQuiet) this.#fault(attempt, "it never came to rest");
    }
  }

  #lookAtLease(attempt: Attempt, lease: Attempt["lease"] & {}): void {
    const { process, key, traffic, ttlMs } = attempt;
    if (process.isDead || process.isSuspended || attempt.isEnded) return;
    if (!attempt.isSeen) {
      attempt.isSeen = true;
      const last = this.#tokens.get(key) ?? 0;
      if (lease.token <= last) this.#fault(attempt, `its token is ${lease.token}, but there was already ${last}`);
      this.#tokens.set(key, lease.token);
    }
    const stored = this.#server.read(key);
    const isOwn = stored?.attempt === attempt.id;
    const inDoubt = this.#timeline.nowMs <= process.wokeAtMs + graceMs(ttlMs);
    const isOver = process.nowMs > traffic.provenUntilMs + TOLERANCE_MS;
    if (!lease.signal.aborted) {
      if (inDoubt) return;
      if (!isOwn) this.#fault(attempt, `it is live, but memX stores ${JSON.stringify(stored)}`);
      if (isOver) this.#fault(attempt, "it is live, but its validity is over");
      return;
    }
    attempt.isEnded = true;
    const { reason } = lease.signal;
    const isLost = reason instanceof LeaseLostError && !attempt.isAbandoned;
    const isUndisturbed = this.#timeline.nowMs > process.disturbedAtMs + graceMs(ttlMs);
    if (
      isLost &&
      isOwn &&
      isUndisturbed &&
      !this.#isForgotten(attempt) &&
      process.nowMs < traffic.provenUntilMs - TOLERANCE_MS
    )
      this.#fault(attempt, `it was lost early: ${reason.message}`);
    if (!isLost && !attempt.isAbandoned && reason.name !== "AbortError")
      this.#fault(attempt, `it ended with ${reason}`);
  }

  #lookAtRest(attempt: Attempt): void {
    const { process, traffic, lease } = attempt;
    if (attempt.isQuiet || process.isDead || process.isSuspended) return;
    const { releaseBeforeMs, isReleased } = attempt;
    if (releaseBeforeMs !== undefined && !isReleased && process.wokeAtMs < attempt.startedAtMs) {
      if (process.nowMs > releaseBeforeMs + TOLERANCE_MS) this.#fault(attempt, "its release takes too long");
    }
    if (traffic.claims.length > MAX_CLAIMS) {
      const [first = 0] = traffic.claims.splice(0, 1);
      if (this.#timeline.nowMs < first + 10_000) this.#fault(attempt, "it hammers memX with claims");
    }
    if (attempt.timers.size > 1) this.#fault(attempt, "it has more than one timer");
    const isIdle = traffic.pending === 0 && attempt.timers.size === 0;
    const freeSinceMs = this.#server.freeSinceMs(attempt.key);
    if (traffic.watches > 0 && isIdle && freeSinceMs !== undefined) {
      const sinceMs = Math.max(freeSinceMs, traffic.idleSinceMs, process.wokeAtMs);
      if (this.#timeline.nowMs > sinceMs + MAX_NEWS_MS) this.#fault(attempt, "it waits although the key is free");
    }
    const isSettled = lease ? lease.signal.aborted && isReleased : attempt.error !== undefined;
    if (!isSettled || !isIdle) return;
    attempt.isQuiet = true;
    if (traffic.watches > 0) this.#fault(attempt, "it still watches the key");
    if (attempt.isAbandoned || this.#isForgotten(attempt) || this.#timeline.nowMs >= traffic.writtenUntilMs) return;
    const stored = this.#server.read(attempt.key);
    if (stored?.attempt !== attempt.id) return;
    // A try that arrives late is a claim of its own if memX has forgotten the Idempotency-Key, or has refused all other
    // tries. If the attempt sent no other after it, it cannot know.
    const isLate = stored.writtenAtMs > stored.sentAtMs + 500;
    const isKnowable = traffic.decidedAtMs > stored.writtenAtMs && stored.writtenAtMs <= traffic.knownUntilMs;
    if (!isLate || isKnowable) this.#fault(attempt, `it left ${JSON.stringify(stored)}`);
  }

  /** Whether memX may have forgotten the Idempotency-Key, and the value does not tell whose it is. */
  #isForgotten({ isUnique, canRead, traffic }: Attempt): boolean {
    return !(isUnique && canRead) && this.#timeline.nowMs > traffic.knownUntilMs;
  }

  #fault({ id, process }: Attempt, what: string): void {
    const seconds = (this.#timeline.nowMs / 1_000).toFixed(3);
    if (this.faults.length < 5) this.faults.push(`${seconds} s, ${process.name}, attempt ${id}: ${what}`);
  }
}

/** The time to notice a suspension, and the time that a renewal then has. */
function graceMs(ttlMs: number): number {
  return 1.01 * (Math.min(5_000, ttlMs / 10) + Math.min(10_000, ttlMs / 3)) + TOLERANCE_MS;
}
