// Which subscribers a channel closes when too much of what it sent may be unread.

import { describe, expect, it } from "vitest";
import { type Reader, UnreadTotals } from "../../durable-objects/channel/unread-totals.ts";

describe("the totals of a channel", () => {
  const MIB = 1024 * 1024;

  function reader(keyHash: string, chars: number, closed: string[], totals: () => UnreadTotals, sinceMs = 0): Reader {
    let [unread, open] = [chars, true];
    return {
      keyHash,
      stuckSinceMs: sinceMs,
      recount: () => (open ? unread : 0),
      fallBehind() {
        closed.push(`${keyHash} ${chars / MIB}`);
        totals().add(keyHash, -unread);
        [unread, open] = [0, false];
      },
    };
  }

  function totalsOf(readers: readonly (readonly [keyHash: string, mib: number, stuckSinceMs?: number])[]) {
    const closed: string[] = [];
    const all: Reader[] = readers.map(([keyHash, mib, sinceMs]) =>
      reader(keyHash, mib * MIB, closed, () => totals, sinceMs),
    );
    const totals: UnreadTotals = new UnreadTotals(() => all);
    for (const [keyHash, mib] of readers) totals.add(keyHash, mib * MIB);
    return { totals, closed };
  }

  it("close the slowest of all API keys, and those of an API key that has too much for itself first", () => {
    const { totals, closed } = totalsOf([
      ["a", 7],
      ["a", 8],
      ["a", 6],
      ["a", 6],
      ["a", 6],
      ["b", 5],
      ["c", 7.5],
      ["d", 7.25],
      ["e", 6.5],
      ["f", 7.75],
      ["g", 1],
      ["h", 0.5],
    ]);
    totals.enforce("b", 1);
    // 68.5 MiB of 64, of which 48 may stay; the total of "a" is not looked at, because nothing was sent to it.
    expect(closed).toEqual(["a 8", "f 7.75", "c 7.5"]);
    totals.add("a", 20 * MIB);
    totals.enforce("a", 2);
    // The recount finds that most of it was read.
    expect(closed).toHaveLength(3);
  });

  it("close first the sockets of an API key that is over its own limit", () => {
    const { totals, closed } = totalsOf([...Array(5).fill(["a", 7]), ["b", 7.5]]);
    totals.enforce("b", 1);
    expect(closed).toEqual([]);
    totals.enforce("a", 1);
    expect(closed).toEqual(["a 7", "a 7"]);
  });

  it("make a joining subscriber wait, and close only subscribers that have not read for a while", () => {
    const { totals, closed } = totalsOf([
      ["a", 8, 1_000],
      ["a", 8, 9_000],
      ["a", 1, 1_000],
    ]);
    expect(totals.isTight("b", 10_000)).toBe(false);
    expect(totals.isTight("a", 10_000)).toBe(true);
    totals.closeStuck(10_000);
    expect(closed).toEqual(["a 8", "a 1"]);
    expect(totals.isTight("a", 10_001)).toBe(false);
  });
});
