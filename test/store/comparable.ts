// A store whose repeats can be compared with the first writes.

import type { Applied, OperationResult, Store } from "../../memory/store/store.ts";

/** The outcomes of writes without `gaplessSince` and `head`, which a repeat does not have. */
export function comparable(store: Store): Store {
  const compare = <T extends { readonly outcome: string } | null>(outcome: T | Applied): T | Applied => {
    if (outcome?.outcome !== "applied") return outcome;
    const { results } = outcome as Applied;
    return { outcome: "applied", results: results.map((result) => withoutGap(result)) };
  };
  return {
    ...store,
    write: async (...args) => compare(await store.write(...args)),
    recall: async (...args) => compare(await store.recall(...args)),
  };
}

function withoutGap(result: OperationResult): OperationResult {
  if (result.change === null) return result;
  const { gaplessSince: _, ...rest } = result;
  return rest;
}
