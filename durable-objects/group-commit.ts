// Which writes are committed together. A commit costs the same for one as for many, so those that come at the same time share
// one: a write waits until as many are there as came together the last time, and never longer than a millisecond. Where
// one writes alone, nobody waits.

const MAX_WAIT_MS = 1;
/** Every so many groups one waits although it is as large as the one before: there may be more by now. */
const GROW_EVERY = 16;

export class GroupCommit<T> {
  readonly #commit: (group: readonly T[]) => void;
  #pending: T[] = [];
  #expected = 1;
  #groups = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

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
    this.#expected = ++this.#groups % GROW_EVERY === 0 ? Number.POSITIVE_INFINITY : group.length;
    this.#commit(group);
  }
}
