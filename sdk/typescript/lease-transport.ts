// How a lease reaches memX: its requests, one try each, and the news that its key may be free.

import type { Calls } from "./calls.ts";
import { ConflictError, MemxError, NetworkError } from "./errors.ts";
import type { LeaseEvent, LeaseRequest } from "./lease-states.ts";
import { isFinal } from "./read-error.ts";
import type { Deleted, SubscribeOptions, Written } from "./types.ts";

/** What a lease needs of memX. A test can put a simulated memX behind it. */
export type LeaseTransport = {
  /** Retries of a claim. */
  readonly retries: number;
  /** Sends a request once. Returns the revision of the applied write. */
  readonly send: (request: LeaseRequest, key: string, ttl: number, signal: AbortSignal) => Promise<number>;
  /**
   * Calls `onFree` once it knows of every change from then on, and whenever the key may have become free. Calls `onEnd`
   * if it cannot go on. The returned function ends it.
   */
  readonly watch: (key: string, onFree: () => void, onEnd: (error: unknown) => void) => () => void;
};

/** The part of a client's subscription that a lease needs. */
type Subscribe = (
  key: string,
  listener: (event: { readonly action: string }) => void,
  options: SubscribeOptions,
) => { readonly ready: Promise<void>; readonly done: Promise<void>; readonly close: () => void };

export function leaseTransport(calls: Calls, subscribe: Subscribe): LeaseTransport {
  return {
    retries: calls.retries,
    async send({ call, id, expect, value }, key, ttl, signal) {
      const isDeletion = call === "release";
      const path = isDeletion ? "/delete" : "/set";
      const body = { key, expect, ...(!isDeletion && { value, ttl }) };
      const sent = { method: "POST", path, body, key, idempotencyKey: id, signal, retries: 0 } as const;
      const revision = (await calls.send<Written | Deleted | null>(sent))?.revision;
      // Without a revision, the next write would expect nothing, and would take the key from another holder.
      if (revision !== undefined && Number.isSafeInteger(revision)) return revision;
      throw new NetworkError("network", "The response does not come from memX: it has no revision.", { key });
    },
    watch(key, onFree, onEnd) {
      const onEvent = ({ action }: { readonly action: string }) => {
        if (action !== "set") onFree();
      };
      // After a reset, no event tells of what was deleted meanwhile.
      const subscription = subscribe(key, onEvent, { onReset: onFree });
      subscription.ready.then(onFree, () => {
        // `done` reports it too.
      });
      subscription.done.then(() => onEnd(new MemxError("closed", "The client was closed.", { key })), onEnd);
      return subscription.close;
    },
  };
}

/** What the failure of a request means for the lease. */
export function readFailure(error: unknown, request: number): LeaseEvent {
  if (!(error instanceof MemxError)) return { event: "broken", request, error };
  if (error instanceof ConflictError) {
    const { current } = error;
    return { event: "conflict", request, current, error };
  }
  if (isFinal(error)) return { event: "refused", request, error };
  const { retryAfterMs, status } = error;
  // memX counts requests before it looks at them.
  return { event: "failed", request, retryAfterMs, ...(status === 429 && { isApplied: false }), error };
}
