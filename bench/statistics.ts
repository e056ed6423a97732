// Statistics over the rounds of a run.

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The median of each round's ratio: a slow minute of the machine affects both sides of a ratio. */
export function medianRatio(over: readonly number[], under: readonly number[]): number {
  return median(over.map((number, round) => number / (under[round] ?? Number.NaN)));
}

export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
