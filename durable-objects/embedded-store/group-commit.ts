// Decides which writes are committed together. A commit costs the same for one write as for many, so writes that come
// at the same time share one. A group is committed once it is as large as the last group, or after `MAX_WAIT_MS`. A
// caller that writes alone does not wait.

const MAX_WAIT_MS = 4;

/** Groups between two tries, at first and at most. A try waits for more writes than the last group had. */
const FIRST_TRY = 16;
const LAST_TRY = 1024;

export class GroupCommit<T> {
  readonly #commit: (group: readonly T[]) => void;
  readonly #weigh: (write: T) => number;
  readonly #maxWeight: number;
  #pending: T[] = [];
  #expected = 1;
  #lastSize = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Groups until the next try, and from that one to the try after it. */
  #untilTry = FIRST_TRY;
  #nextTry = FIRST_TRY;

  /**
   * @param commit is never called with an empty group, and must not throw
   * @param maxWeight what the writes of a group may weigh together; a write that weighs more is committed alone
   */
  constructor(commit: (group: readonly T[]) => void, weigh: (write: T) => number = () => 1, maxWeight = Infinity) {
    this.#commit = commit;
    this.#weigh = weigh;
    this.#maxWeight = maxWeight;
  }

  add(write: T): void {
    const count = this.#pending.push(write);
    // In a microtask, so that the group includes all writes of the same turn.
    if (count === this.#expected) queueMicrotask(() => this.#end());
    else if (count === 1) this.#timer = setTimeout(() => this.#end(), MAX_WAIT_MS);
  }

  #end(): void {
    clearTimeout(this.#timer);
    const group = this.#take();
    if (group.length === 0) return;
    // Other calls of the object come before the rest.
    if (this.#pending.length > 0) this.#timer = setTimeout(() => this.#end(), 0);
    this.#expect(group.length);
    this.#commit(group);
  }

  #take(): T[] {
    let [count, weight] = [0, 0];
    for (const write of this.#pending) {
      weight += this.#weigh(write);
      if (count > 0 && weight > this.#maxWeight) break;
      count++;
    }
    return this.#pending.splice(0, count);
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
