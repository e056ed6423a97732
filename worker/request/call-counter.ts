// Counts calls per API key in a fixed amount of memory, however many keys clients invent: a count-min sketch with
// conservative update (https://en.wikipedia.org/wiki/Count-min_sketch). It forgets no key, so a flood of keys gives no
// busy key a fresh count. It never counts too little. It counts too much only for a key that shares its counters in all
// rows with other keys: by a few calls while clients try tens of thousands of keys in a period.

const ROWS = 4;
/** A power of two. All counters together take 256 KiB. */
const COLUMNS = 16_384;
/** Each row reads its own 32 bits of the hash. */
const HEX_DIGITS = 8;

export class CallCounter {
  readonly #periodMs: number;
  readonly #counts = new Uint32Array(ROWS * COLUMNS);
  #period = 0;

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** Counts a call, and returns whether it is within the limit. A refused call is not counted. */
  count(keyHash: string, limit: number, nowMs: number): boolean {
    const period = Math.floor(nowMs / this.#periodMs);
    // Not "later than": a clock that was ahead must not stop the counting.
    if (period !== this.#period) {
      this.#counts.fill(0);
      this.#period = period;
    }
    const places = Array.from({ length: ROWS }, (_, row) => row * COLUMNS + columnOf(keyHash, row));
    const counted = Math.min(...places.map((place) => this.#counts[place] as number));
    if (counted >= limit) return false;
    for (const place of places) {
      if (this.#counts[place] === counted) this.#counts[place] = counted + 1;
    }
    return true;
  }
}

/** No client can choose the hash of its key so that it shares the counters of a key that it does not know. */
function columnOf(keyHash: string, row: number): number {
  return Number.parseInt(keyHash.slice(row * HEX_DIGITS, (row + 1) * HEX_DIGITS), 16) % COLUMNS;
}
