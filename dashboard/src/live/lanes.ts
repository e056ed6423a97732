// Changes as a drawing: a lane for each writer, and time from left to right.

import type { Seen } from "./ring.ts";

export type Lane = {
  readonly name: string;
  readonly count: number;
  readonly marks: readonly Mark[];
  readonly lastKey: string;
};
/** `at` is 0 at the left edge and 1 at the right one. */
export type Mark = { readonly at: number; readonly seen: Seen };

export type Lanes = { readonly from: number; readonly to: number; readonly lanes: readonly Lane[] };

const UNNAMED = "unnamed";
const EXPIRED = "expiry";
const MAX_LANES = 12;
/** Marks closer than this would only cover each other. */
const CLOSE = 1 / 800;

export function toLanes(items: readonly Seen[]): Lanes {
  const [from, to] = [items[0]?.ts ?? 0, items.at(-1)?.ts ?? 0];
  const span = Math.max(1, to - from);
  const byWriter = Map.groupBy(items, ({ by, action }) => by ?? (action === "expire" ? EXPIRED : UNNAMED));
  const lanes = [...byWriter].map(([name, all]): Lane => {
    const marks: Mark[] = [];
    for (const seen of all) {
      const at = (seen.ts - from) / span;
      const last = marks.at(-1);
      if (!last || at - last.at >= CLOSE) marks.push({ at, seen });
    }
    return { name, count: all.length, marks, lastKey: all.at(-1)?.key ?? "" };
  });
  lanes.sort((a, b) => b.count - a.count);
  return { from, to: from + span, lanes: lanes.slice(0, MAX_LANES) };
}
