// Bounds how long a caller waits, whatever the work behind it does.

import { storeUnavailable } from "./errors.ts";

/**
 * Rejects if `work` takes longer than `timeoutMs`. The work itself goes on; only its caller stops waiting.
 * @throws {ApiError} `store_unavailable`
 */
export function withDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  // Not a race of promises, which costs a small call twice as much.
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(storeUnavailable(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const settle =
      <R>(end: (result: R) => void) =>
      (result: R) => {
        clearTimeout(timer);
        end(result);
      };
    work.then(settle(resolve), settle(reject));
  });
}

/** Bounds how long a caller waits for `work`. @throws {ApiError} `store_unavailable` */
export type Deadline = <T>(work: Promise<T>) => Promise<T>;

/** The same for calls of one invocation, which share a timer: one for each costs more than the rest of a small call. */
export function sharedDeadline(timeoutMs: number): Deadline {
  /** In the order of their deadlines, because all have the same time. */
  const waiting = new Set<{ readonly atMs: number; readonly reject: (cause: unknown) => void }>();
  let isArmed = false;
  const arm = () => {
    const [first] = waiting;
    if (!first || isArmed) return;
    isArmed = true;
    setTimeout(rejectLate, Math.max(1, first.atMs - Date.now()));
  };
  const rejectLate = () => {
    isArmed = false;
    for (const entry of waiting) {
      if (entry.atMs > Date.now()) break;
      waiting.delete(entry);
      entry.reject(storeUnavailable(`no answer within ${timeoutMs} ms`));
    }
    arm();
  };
  return (work) =>
    new Promise((resolve, reject) => {
      const entry = { atMs: Date.now() + timeoutMs, reject };
      waiting.add(entry);
      arm();
      work.then(
        (result) => {
          waiting.delete(entry);
          resolve(result);
        },
        (cause) => {
          waiting.delete(entry);
          reject(cause);
        },
      );
    });
}
