// Waiting for the signals of callers.

/**
 * Returns a signal that aborts with another one, to listen to. Node 20 warns of a leak if more than ten calls or
 * subscriptions listen to the same signal.
 */
export function followSignal(signal: AbortSignal): AbortSignal {
  const { any } = AbortSignal as { any?: typeof AbortSignal.any };
  // Node 20.0 to 20.2 have no `AbortSignal.any`.
  return any ? any.call(AbortSignal, [signal]) : signal;
}

/** Settles like the promise, or rejects with the signal's reason if the signal aborts first. The work goes on. */
export function withSignal<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const own = followSignal(signal);
  return new Promise((resolve, reject) => {
    const abort = () => reject(own.reason);
    own.addEventListener("abort", abort, { once: true });
    if (own.aborted) abort();
    work.then(resolve, reject).finally(() => own.removeEventListener("abort", abort));
  });
}
