// What the dashboard makes of two changes of one value, and how it shows a difference.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diffLines, foldSame } from "../../dashboard/src/json/diff.ts";
import { compact, parse } from "../../dashboard/src/json/exact.ts";
import { merge, type Side } from "../../dashboard/src/json/merge.ts";

function run(
  base: string | undefined,
  mine: string | undefined,
  theirs: string | undefined,
  choices: [string, Side][] = [],
) {
  const node = (text: string | undefined) => (text === undefined ? undefined : parse(text));
  const merged = merge(node(base), node(mine), node(theirs), new Map(choices));
  return { text: merged.node && compact(merged.node), conflicts: merged.conflicts.map(({ path }) => path) };
}

describe("merge", () => {
  it("takes what only one side changed, added or removed", () => {
    expect(run('{"a":1,"b":2,"c":3}', '{"a":10,"b":2,"c":3}', '{"a":1,"b":2,"d":4}')).toEqual({
      text: '{"a":10,"b":2,"d":4}',
      conflicts: [],
    });
  });

  it("keeps every digit, and sees a digit as a change", () => {
    expect(
      run('{"n":9007199254740993,"m":1}', '{"n":9007199254740993,"m":1.0}', '{"n":9007199254740994,"m":1}'),
    ).toEqual({
      text: '{"n":9007199254740994,"m":1.0}',
      conflicts: [],
    });
  });

  it("merges members of objects in lists of the same length", () => {
    expect(run('[{"a":1,"b":1},5]', '[{"a":2,"b":1},5]', '[{"a":1,"b":3},6]')).toEqual({
      text: '[{"a":2,"b":3},6]',
      conflicts: [],
    });
  });

  it("leaves to a person what both sides changed, place by place", () => {
    const sides = ['{"a":{"x/y":1},"b":1}', '{"a":{"x/y":2},"b":2}', '{"a":{"x/y":3},"b":3}'] as const;
    expect(run(...sides)).toEqual({ text: '{"a":{"x/y":2},"b":2}', conflicts: ["/a/x~1y", "/b"] });
    expect(run(...sides, [["/a/x~1y", "theirs"]]).text).toBe('{"a":{"x/y":3},"b":2}');
    expect(run("[1]", "[1,2]", "[1,3]").conflicts).toEqual([""]);
    expect(run("[1]", "[1,2]", "[1,3]", [["", "theirs"]]).text).toBe("[1,3]");
  });

  it("knows values that were never there, or are gone", () => {
    expect(run(undefined, '{"a":1}', '{"b":2}')).toEqual({ text: '{"a":1,"b":2}', conflicts: [] });
    expect(run("1", "2", undefined)).toEqual({ text: "2", conflicts: [""] });
    expect(run("1", "1", undefined)).toEqual({ text: undefined, conflicts: [] });
    expect(run('{"a":1}', "{}", '{"a":2}', [["/a", "theirs"]])).toEqual({ text: '{"a":2}', conflicts: ["/a"] });
  });

  it("never conflicts with a side that did nothing, and agrees with a side that did the same", () => {
    const json = fc.jsonValue().map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(json, json, (base, changed) => {
        expect(run(base, changed, base)).toEqual({ text: changed, conflicts: [] });
        expect(run(base, base, changed)).toEqual({ text: changed, conflicts: [] });
        expect(run(base, changed, changed)).toEqual({ text: changed, conflicts: [] });
      }),
    );
  });
});

describe("diffLines", () => {
  const lines = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 30 });

  it("has exactly the lines of both sides, in their order", () => {
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const diff = diffLines(before, after);
        expect(diff.filter(({ op }) => op !== "added").map(({ text }) => text)).toEqual(before);
        expect(diff.filter(({ op }) => op !== "removed").map(({ text }) => text)).toEqual(after);
      }),
    );
  });

  it("is as short as a table of all common subsequences says", () => {
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
        for (let i = a.length - 1; i >= 0; i--)
          for (let j = b.length - 1; j >= 0; j--)
            (table[i] as number[])[j] =
              a[i] === b[j]
                ? 1 + (table[i + 1]?.[j + 1] ?? 0)
                : Math.max(table[i + 1]?.[j] ?? 0, table[i]?.[j + 1] ?? 0);
        expect(diffLines(a, b).filter(({ op }) => op === "same")).toHaveLength(table[0]?.[0] ?? 0);
      }),
    );
  });

  it("replaces the middle of what has too little in common, and stays quick", () => {
    const side = (word: string) => ["first", ...Array.from({ length: 10_000 }, (_, n) => `${word} ${n}`), "last"];
    const diff = diffLines(side("a"), side("b"));
    expect(diff.filter(({ op }) => op === "same").map(({ text }) => text)).toEqual(["first", "last"]);
    expect(diff).toHaveLength(20_002);
  });

  it("folds what is unchanged, and keeps some lines around each change", () => {
    const before = Array.from({ length: 20 }, (_, n) => String(n));
    const parts = foldSame(diffLines(before, before.with(10, "new")), 2);
    expect(parts.map(({ lines: shown, hidden }) => [shown.length, hidden])).toEqual([
      [0, 8],
      [6, 0],
      [0, 7],
    ]);
  });
});
