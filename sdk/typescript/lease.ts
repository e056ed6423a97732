// A lease: a key that one holder has at a time, while the holder lives. To claim it is to write with `expect: 0` and a
// `ttl`. To renew it is to write with `expect` of the last write.

import { backoffMs, pause } from "./backoff.ts";
import { ConflictError, LeaseLostError, MemxError } from "./errors.ts";
import { randomId } from "./http.ts";
import type { MemX } from "./memx.ts";
import { isFinal } from "./read-error.ts";
import type { CallOptions } from "./types.ts";

/** Options of `lease`. */
export type LeaseOptions = CallOptions & {
  /**
   * Seconds until the key is free again if its holder is gone: 1 or more. The lease renews itself after a third of it.
   */
  readonly ttl: number;
  /** The value of the key during the lease, for other clients to see. @default a random text */
  readonly holder?: unknown;
  /** Wait until the key is free. @default false */
  readonly wait?: boolean;
};

/** An exclusive lease on a key. It releases the key at the end of an `await using` block. */
export class Lease implements Disposable, AsyncDisposable {
  readonly key: string;
  readonly holder: unknown;
  /** The fencing token: larger than that of every earlier holder. Pass it on with what you write under the lease. */
  readonly token: number;
  /** Aborts with a `LeaseLostError` when the lease is lost, or may be, and when it is released or abandoned. */
  readonly signal: AbortSignal;
  readonly #memx: MemX;
  readonly #ttl: number;
  readonly #lost = new AbortController();
  readonly #renewing = new AbortController();
  readonly #renewal: Promise<void>;
  #revision: number;
  #heldUntilMs: number;

  constructor(memx: MemX, key: string, options: LeaseOptions, claim: { revision: number; sentAtMs: number }) {
    this.#memx = memx;
    this.key = key;
    this.holder = options.holder;
    this.#ttl = options.ttl;
    this.token = this.#revision = claim.revision;
    this.#heldUntilMs = claim.sentAtMs + options.ttl * 1000;
    this.signal = this.#lost.signal;
    this.#renewal = this.#keep();
  }

  /** The key's current revision. A batch with a `check` that expects it writes only while the lease is held. */
  get revision(): number {
    return this.#revision;
  }

  /** Deletes the key, so that others can claim it. Does nothing if the lease was lost. */
  async release(): Promise<void> {
    if (this.#renewing.signal.aborted) return;
    this.#renewing.abort();
    await this.#renewal;
    const wasHeld = !this.signal.aborted;
    this.#lost.abort(new LeaseLostError("lease_lost", "The lease was released.", { key: this.key }));
    if (!wasHeld) return;
    try {
      await this.#memx.delete(this.key, { expect: this.#revision });
    } catch (error) {
      // It expired meanwhile.
      if (!(error instanceof ConflictError)) throw error;
    }
  }

  /** Stops renewing the lease, so that it expires. */
  abandon(): void {
    this.#renewing.abort();
    this.#lost.abort(new LeaseLostError("lease_lost", "The lease was abandoned.", { key: this.key }));
  }

  /** Begins to release the lease. `await using` also waits for the release. */
  [Symbol.dispose](): void {
    this.release().catch(() => {
      // It expires instead.
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #keep(): Promise<void> {
    const { signal } = this.#renewing;
    while (!this.signal.aborted) {
      try {
        await pause((this.#ttl * 1000) / 3, signal);
      } catch {
        return; // Released.
      }
      await this.#renew(signal);
    }
  }

  /** Tries until the lease expires by the client's clock, which began to count before memX's. */
  async #renew(released: AbortSignal): Promise<void> {
    for (let failures = 0; ; failures++) {
      const sentAtMs = Date.now();
      const remainingMs = this.#heldUntilMs - sentAtMs;
      if (remainingMs <= 0) return this.#lose("It could not be renewed in time.");
      try {
        const signal = AbortSignal.timeout(remainingMs);
        const written = await this.#memx.set(this.key, this.holder, { expect: this.#revision, ttl: this.#ttl, signal });
        this.#revision = written.revision;
        this.#heldUntilMs = sentAtMs + this.#ttl * 1000;
        return;
      } catch (error) {
        if (error instanceof ConflictError) return this.#lose("Another client wrote to the key.", error);
        if (error instanceof MemxError && isFinal(error)) return this.#lose("memX refused the renewal.", error);
        if (released.aborted) return;
        await pause(Math.min(backoffMs(failures), Math.max(0, this.#heldUntilMs - Date.now())));
      }
    }
  }

  #lose(reason: string, cause?: unknown): void {
    const details = { key: this.key, cause };
    this.#lost.abort(new LeaseLostError("lease_lost", `The lease on ${this.key} was lost. ${reason}`, details));
  }
}

export async function acquireLease(memx: MemX, key: string, options: LeaseOptions): Promise<Lease> {
  const holder = options.holder ?? randomId();
  const { ttl, signal, wait } = options;
  const claim = async () => {
    const sentAtMs = Date.now();
    const { revision } = await memx.set(key, holder, { expect: 0, ttl, signal });
    return new Lease(memx, key, { ...options, holder }, { revision, sentAtMs });
  };
  try {
    return await claim();
  } catch (error) {
    if (!wait || !(error instanceof ConflictError)) throw error;
  }
  // Live before the next attempt, so that no release goes unseen.
  const changes = memx.subscribe(key, { ...(signal && { signal }) });
  try {
    await changes.ready;
    const iterator = changes[Symbol.asyncIterator]();
    for (;;) {
      try {
        return await claim();
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
      if (!(await untilFree(iterator))) throw new MemxError("closed", "The client was closed.", { key });
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    changes.close();
  }
}

async function untilFree(changes: AsyncIterator<{ readonly action: string }>): Promise<boolean> {
  for (;;) {
    const { value, done } = await changes.next();
    if (done) return false;
    if (value.action !== "set") return true;
  }
}
