// Decides which writes are committed together. A commit costs the same for one write as for many, so writes that come
// at the same time share one. A group is committed once it is as large as the last group, or after `MAX_WAIT_MS`. A
// caller that writes alone does not wait.

const MAX_WAIT_MS = 4;

/** Groups between two tries, at first and at most. A try waits for more writes than the last group had. */
const FIRST_TRY = 16;
const LAST_TRY = 1024;

export class GroupCommit<T> {
  readonly #commit: (group: readonly T[]) => void;
  #pending: T[] = [];
  #expected = 1;
  #lastSize = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Groups until the next try, and from that one to the try after it. */
  #untilTry = FIRST_TRY;
  #nextTry = FIRST_TRY;

  /** @param commit is never called with an empty group, and must not throw */
  constructor(commit: (group: readonly T[]) => void) {
    this.#commit = commit;
  }

  add(write: T): void {
    const count = this.#pending.push(write);
    // In a microtask, so that the group includes all writes of the same turn.
    if (count === this.#expected) queueMicrotask(() => this.#end());
    else if (count === 1) this.#timer = setTimeout(() => this.#end(), MAX_WAIT_MS);
  }

  #end(): void {
    clearTimeout(this.#timer);
    const group = this.#pending;
    if (group.length === 0) return;
    this.#pending = [];
    this.#expect(group.length);
    this.#commit(group);
  }

  /** Tries become rarer while they find no more writes. */
  #expect(size: number): void {
    const larger = size > this.#lastSize;
    this.#lastSize = size;
    if (this.#untilTry === 0) {
      this.#nextTry = larger ? FIRST_TRY : Math.min(2 * this.#nextTry, LAST_TRY);
      this.#untilTry = this.#nextTry;
    }
    this.#expected = --this.#untilTry === 0 ? Number.POSITIVE_INFINITY : size;
  }
}
