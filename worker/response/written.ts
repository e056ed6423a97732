// What a caller is told of an operation that was done, alone or in a batch.

import type { OperationResult } from "../../memory/store/store.ts";

/** `updated` is false where the key has a later time than the caller gave: then these are the revision and time it has. */
export function written(result: OperationResult | undefined): { updated: boolean; revision: number; ts: number } {
  const { revision, ts } = versionOf(result);
  return { updated: result?.change != null, revision, ts };
}

/** `deleted` is false, and the revision 0, where the key held nothing. */
export function deleted(result: OperationResult | undefined): { deleted: boolean; revision: number } {
  return { deleted: result?.change != null, revision: versionOf(result).revision };
}

/** The revision that a check has found. */
export function checked(result: OperationResult | undefined): { revision: number } {
  return { revision: versionOf(result).revision };
}

function versionOf(result: OperationResult | undefined): { revision: number; ts: number } {
  if (!result) throw new Error("the store told nothing of an operation");
  return result.change ?? result;
}
