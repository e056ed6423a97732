// How long to wait before trying again.

import { isFinal } from "./read-error.ts";

const BASE_MS = 400;
const MAX_MS = 20_000;

/**
 * Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), from the first attempt on: all
 * clients of a server that restarts lose it in the same moment.
 */
export function backoffMs(attempt: number): number {
  return Math.random() * Math.min(MAX_MS, BASE_MS * 2 ** attempt);
}

/** Rejects with the signal's reason where that comes first. */
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
 * Calls again after every failure that may pass.
 * @throws the first failure that would happen again, or the signal's reason
 */
export async function persist<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error)) throw error;
    }
    await pause(backoffMs(failures), signal);
  }
}
