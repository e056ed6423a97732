// Which writes are committed together. A commit costs the same for one as for many, so those that come at the same time share
// one: a write waits until as many are there as came together the last time, and never longer than `MAX_WAIT_MS`. Where
// one writes alone, nobody waits.

const MAX_WAIT_MS = 4;

/** After how many groups one waits although it is as large as the one before, for there may be more by now. */
const FIRST_TRY = 16;
const LAST_TRY = 1024;

export class GroupCommit<T> {
  readonly #commit: (group: readonly T[]) => void;
  #pending: T[] = [];
  #expected = 1;
  #lastSize = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Groups until the next try for a larger one, and until the one after it. */
  #untilTry = FIRST_TRY;
  #nextTry = FIRST_TRY;

  /** @param commit is never called with an empty group, and never throws */
  constructor(commit: (group: readonly T[]) => void) {
    this.#commit = commit;
  }

  add(write: T): void {
    const count = this.#pending.push(write);
    // In a microtask, so that whatever came in the same turn goes along.
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

  /** Tries become rare where they find nobody. */
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
