// Finds the arrays with equal items in a value, in one pass. The validator would compare each item with every other.

import type { WorkMeter } from "./work-meter.ts";

/** Steps to number one part of a value. */
const WORK_OF_A_PART = 1 / 2;

/** The distinct arrays in `value` that have two equal items, by JSON Schema's equality. */
export function arraysWithRepeats(value: unknown, meter: WorkMeter): readonly unknown[][] {
  // Equal values get equal numbers. The number of an array or object depends on the numbers of its parts.
  const numbers = new Map<string, number>();
  const found = new Map<number, unknown[]>();

  function numberOf(part: unknown): number {
    let identity: string;
    let repeats = false;
    meter.spend(WORK_OF_A_PART);
    if (Array.isArray(part)) {
      const items = part.map(numberOf);
      repeats = new Set(items).size < items.length;
      identity = `[${items}`;
    } else if (typeof part === "object" && part !== null) {
      const members = Object.entries(part).map(([name, child]) => `${JSON.stringify(name)}:${numberOf(child)}`);
      identity = `{${members.sort()}`;
    } else {
      identity = typeof part === "string" ? `"${part}` : String(part);
    }
    let number = numbers.get(identity);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(identity, number);
    }
    if (repeats) found.set(number, part as unknown[]);
    return number;
  }

  numberOf(value);
  return [...found.values()];
}

/** The number of values in a value, including itself. */
export function sizeOfValue(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, child) => sum + sizeOfValue(child), 1);
}
