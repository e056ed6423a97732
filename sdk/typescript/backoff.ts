// Waiting before the next attempt, and attempts until one succeeds or fails for good.

import type { MemxError } from "./errors.ts";
import { mayPass } from "./read-error.ts";

const BASE_MS = 400;
const MAX_MS = 20_000;

/**
 * Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), from the first attempt on,
 * because all clients lose a server that restarts in the same moment.
 */
export function backoffMs(attempt: number): number {
  return Math.random() * Math.min(MAX_MS, BASE_MS * 2 ** attempt);
}

/** Rejects with the signal's reason if the signal aborts first. */
export function pause(ms: number, signal?: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Repeats a call until it succeeds. Reports the errors of the attempts that it repeats.
 * @throws the first refusal, or the signal's reason
 */
export async function persist<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
  onRetry: (error: MemxError) => void,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      if (!mayPass(error)) throw error;
      onRetry(error);
    }
    await pause(backoffMs(failures), signal);
  }
}
