// Counts the work of checking one value, so that no check takes too long. A step is about half a microsecond.

/** Ends a check that cannot be finished. The message is for the caller. */
export class Unchecked extends Error {
  override name = "Unchecked";
  readonly path: string;

  constructor(message: string, path = "") {
    super(message);
    this.path = path;
  }
}

export class WorkMeter {
  #left = 0;

  start(steps: number): void {
    this.#left = steps;
  }

  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) {
      throw new Unchecked("Checking the value takes too many steps. Make the value smaller or the schema simpler.");
    }
  }
}
