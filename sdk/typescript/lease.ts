// A lease: a key that one holder has at a time, while the holder lives. To claim it is to write with `expect: 0` and a
// `ttl`. To renew it is to write with `expect` of the last write. lease-machine.ts has its states.

import { randomId } from "./calls.ts";
import { InvalidRequestError, MemxError } from "./errors.ts";
import { type LeaseRuntime, LeaseSession } from "./lease-session.ts";
import type { LeaseTransport } from "./lease-transport.ts";
import { refuseUnknown } from "./refuse-unknown.ts";
import type { CallOptions } from "./types.ts";

/** Options of `lease`. Its `signal` cancels the acquisition: the key is free again soon after, unless memX is away. */
export type LeaseOptions = CallOptions & {
  /**
   * Seconds until the key is free again if its holder is gone: 1 to 31,536,000. The lease renews itself after a third of
   * it.
   */
  readonly ttl: number;
  /**
   * The value of the key during the lease, for other clients to see. memX tells a lease of yours from another one by its
   * value, so leave it out unless others need it. @default a random text
   */
  readonly holder?: unknown;
  /** Wait until the key is free. @default false */
  readonly wait?: boolean;
  /**
   * Identifies the claim, so that a program that ended before it got the response can send the same claim again. The
   * repeat gets the lease of the first claim if the first program had not received it. @default a new one for each claim
   */
  readonly idempotencyKey?: string;
};

/** An exclusive lease on a key. It releases the key at the end of an `await using` block. */
export class Lease implements Disposable, AsyncDisposable {
  readonly key: string;
  readonly holder: unknown;
  /** The fencing token: larger than that of every earlier holder. Pass it on with what you write under the lease. */
  readonly token: number;
  /**
   * Aborts when the lease ends: with a `LeaseLostError` when it is lost, or may be, and when it is abandoned; with an
   * `AbortError` when it is released.
   */
  readonly signal: AbortSignal;
  readonly #session: LeaseSession;

  constructor(session: LeaseSession, lease: { key: string; holder: unknown; token: number }) {
    this.key = lease.key;
    this.holder = lease.holder;
    this.token = lease.token;
    this.signal = session.ended.signal;
    this.#session = session;
  }

  /** The key's current revision. A batch with a `check` that expects it writes only while the lease is held. */
  get revision(): number {
    return this.#session.revision;
  }

  /**
   * Deletes the key, so that others can claim it. Does nothing if the lease was lost. If memX is away, it tries until the
   * lease ends, and then resolves: the key is free without it. Every call returns the same promise.
   *
   * @throws {MemxError} if memX refuses the deletion
   */
  release(): Promise<void> {
    return this.#session.release();
  }

  /** Stops renewing the lease, so that it expires. */
  abandon(): void {
    this.#session.abandon();
  }

  /** Begins to release the lease. `await using` also waits for the release. */
  [Symbol.dispose](): void {
    this.release().catch((error) => {
      // The lease expires instead. A defect must not go unseen.
      if (!(error instanceof MemxError)) throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

const RUNTIME: LeaseRuntime = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(callback, ms, isBackground) {
    const timer: { unref?: () => void } | number = setTimeout(callback, ms);
    if (isBackground && typeof timer === "object") timer.unref?.(); // Node, Deno and Bun.
    return timer;
  },
  clearTimer: (timer) => clearTimeout(timer),
  newId: randomId,
  random: Math.random,
};

export async function acquireLease(
  transport: LeaseTransport,
  key: string,
  options: LeaseOptions,
  runtime: LeaseRuntime = RUNTIME,
): Promise<Lease> {
  const { ttl: requestedTtl, wait = false, holder, idempotencyKey, signal, ...unknown } = options;
  refuseUnknown(unknown);
  const ttl = readTtl(requestedTtl, key);
  signal?.throwIfAborted();
  const isUnique = (holder ?? undefined) === undefined;
  const value = holder ?? runtime.newId();
  // A repeat must send the same value.
  const claim =
    idempotencyKey === undefined ? undefined : { id: idempotencyKey, value: holder ?? `claim ${idempotencyKey}` };
  const config = { wait, value, claim, isUnique };
  const session = new LeaseSession({ key, ttl, config, signal }, transport, runtime);
  const token = await session.acquired;
  const lease = new Lease(session, { key, holder: value, token });
  if (!signal?.aborted) return lease;
  lease[Symbol.dispose]();
  throw signal.reason;
}

/** memX takes 1 second to a year. A number of milliseconds that is not whole suits no timer. */
function readTtl(ttl: number, key: string): number {
  if (Number.isFinite(ttl) && ttl > 0) return Math.min(31_536_000, Math.max(1, Math.round(ttl * 1_000) / 1_000));
  throw new InvalidRequestError("invalid_request", `A lease needs a \`ttl\` of 1 to 31,536,000 seconds, not ${ttl}.`, {
    key,
  });
}
