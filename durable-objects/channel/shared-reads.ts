// Lets subscribers that join together share what they read from the store. A subscriber may only use a read that began
// after it joined: an earlier one may lack changes that it will not get live.

import { LRUCache } from "lru-cache";
import pLimit from "p-limit";

/** Characters of finished reads that are kept for subscribers that read the same a little later. */
const KEPT_CHARS = 8 * 1024 * 1024;

type Read = {
  readonly promise: Promise<unknown>;
  /** Infinity until it begins. */
  beganAt: number;
  chars: number;
};

export class SharedReads {
  /** Only 4 of the platform's 6 simultaneous connections, so that a live change always finds one free. */
  readonly #limit = pLimit(4);
  /** The last read of each name that is not finished. */
  readonly #pending = new Map<string, Read>();
  readonly #kept = new LRUCache<string, Read>({ maxSize: KEPT_CHARS, sizeCalculation: ({ chars }) => chars });
  #clock = 0;

  /** A moment after the beginning of all reads that have begun. */
  now(): number {
    return ++this.#clock;
  }

  /**
   * Returns a read of this name that began after `joinedAt`, or begins it.
   * @param sizeOf characters that keeping the result takes
   */
  share<T>(name: string, joinedAt: number, load: () => Promise<T>, sizeOf: (result: T) => number): Promise<T> {
    const pending = this.#pending.get(name);
    const usable = [pending, this.#kept.get(name)].find((read) => read && read.beganAt > joinedAt);
    if (usable) return usable.promise as Promise<T>;
    const begin = () =>
      this.#limit(() => {
        read.beganAt = this.now();
        return load();
      });
    // One read of a name at a time, so that all who ask while it runs share the next one.
    const promise = pending ? pending.promise.then(begin, begin) : begin();
    const read: Read = { promise, beganAt: Number.POSITIVE_INFINITY, chars: 1 };
    this.#pending.set(name, read);
    const finish = () => {
      if (this.#pending.get(name) === read) this.#pending.delete(name);
    };
    promise.then((result) => {
      finish();
      read.chars = Math.max(1, sizeOf(result));
      this.#kept.set(name, read);
    }, finish);
    return promise;
  }

  /** Forgets the finished reads. */
  clear(): void {
    this.#kept.clear();
  }
}
