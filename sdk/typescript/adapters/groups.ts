// Splits lists into parts that memX takes in one call.

import type { BatchOperation } from "../types.ts";

/** As in config/limits.ts of memX, with room for what surrounds the operations in the body. */
export const MAX_OPERATIONS = 100;
export const MAX_BATCH_BYTES = 1024 * 1024 - 1024;

export function inGroups<T>(items: readonly T[], max: number, maxBytes = Infinity): T[][] {
  const groups: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const size = maxBytes === Infinity ? 0 : jsonBytes(item);
    const group = groups.at(-1);
    bytes += size;
    if (group && group.length < max && bytes <= maxBytes) group.push(item);
    else {
      groups.push([item]);
      bytes = size;
    }
  }
  return groups;
}

/** Each group is one batch: memX applies all of it, or nothing. */
export function inBatches(operations: readonly BatchOperation[]): BatchOperation[][] {
  return inGroups(operations, MAX_OPERATIONS, MAX_BATCH_BYTES);
}

/** Bytes of an item in a JSON array. */
export function jsonBytes(item: unknown): number {
  return new TextEncoder().encode(JSON.stringify(item)).length + 1;
}
