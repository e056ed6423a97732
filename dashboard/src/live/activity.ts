// How many changes came in each of the last seconds, for sparklines.

export class Activity {
  readonly #slots: number;
  readonly #slotMs: number;
  readonly #counts: number[];
  #slot = 0;
  total = 0;

  constructor({ slots = 60, slotMs = 1_000 } = {}) {
    this.#slots = slots;
    this.#slotMs = slotMs;
    this.#counts = new Array<number>(slots).fill(0);
  }

  add(nowMs: number, count = 1): void {
    this.#advance(nowMs);
    this.total += count;
    const index = this.#slot % this.#slots;
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
  }

  /** The counts, oldest first. */
  read(nowMs: number): number[] {
    this.#advance(nowMs);
    const next = (this.#slot + 1) % this.#slots;
    return [...this.#counts.slice(next), ...this.#counts.slice(0, next)];
  }

  /** Changes a second, over the last `seconds` full seconds. */
  rate(nowMs: number, seconds = 5): number {
    const slots = Math.max(1, Math.round((seconds * 1_000) / this.#slotMs));
    const counts = this.read(nowMs).slice(-slots - 1, -1);
    return (counts.reduce((sum, count) => sum + count, 0) / (counts.length * this.#slotMs)) * 1_000;
  }

  #advance(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs);
    for (let each = Math.max(this.#slot + 1, slot - this.#slots + 1); each <= slot; each++) {
      this.#counts[each % this.#slots] = 0;
    }
    this.#slot = Math.max(this.#slot, slot);
  }
}

/** The points of a polyline in a box, with 1 unit of room at the top and bottom. */
export function sparkline(counts: readonly number[], width: number, height: number): string {
  const most = Math.max(1, ...counts);
  const step = counts.length > 1 ? width / (counts.length - 1) : 0;
  return counts
    .map((count, index) => `${(index * step).toFixed(1)},${(height - 1 - (count / most) * (height - 2)).toFixed(1)}`)
    .join(" ");
}
