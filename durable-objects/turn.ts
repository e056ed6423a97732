// Divides long work of an object into turns, so that its other calls, and those of other objects in the isolate, get in
// between. Work is counted, not timed: the platform's clock stands still while code runs.

/** Units of work in a turn, about 4 ms. A unit is about as much as matching one character of a glob. */
export const TURN_WORK = 512 * 1024;

export class Turn {
  #work = 0;

  /** Counts work that was done. Returns whether the turn is over, and so `end` is due. */
  isOver(work: number): boolean {
    this.#work += work;
    return this.#work >= TURN_WORK;
  }

  async end(): Promise<void> {
    this.#work = 0;
    await scheduler.wait(0);
  }
}
