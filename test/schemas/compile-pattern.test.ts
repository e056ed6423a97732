import { describe, expect, it } from "vitest";
import { compilePattern } from "../../memory/schemas/patterns/compile-pattern.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const free = () => {};

describe("a common pattern is accepted and matches as usual:", () => {
  it.each<[source: string, matching: readonly string[], other: readonly string[]]>([
    ["^[a-z0-9-]+$", ["a-1"], ["", "A", "a b", "a\n"]],
    ["^\\d{4}-\\d{2}-\\d{2}$", ["2026-11-23"], ["2026-1-23", "x2026-11-23"]],
    ["^[A-Za-z_][A-Za-z0-9_]*$", ["_a1"], ["1a", ""]],
    [
      "^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(?:-[\\w.-]+)?(?:\\+[\\w.-]+)?$",
      ["1.2.3", "1.0.0-rc.1+b"],
      ["1.2", "01.2.3"],
    ],
    ["^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]],
    ["^[^\\s@]+@[^\\s@]+\\.[^\\s@]+$", ["a@b.co"], ["a@b", "a b@c.d"]],
    ["^(foo|bar)$", ["foo", "bar"], ["foobar", "xfoo"]],
    ["^https?://", ["http://x", "https://x"], ["ftp://x", "xhttp://"]],
    ["\\S", [" a "], ["", "  "]],
    ["^.{1,80}$", ["x", "😀".repeat(80)], ["", "x".repeat(81), "a\nb"]],
    ["^(?=.*[A-Z])(?=.*\\d)(?!.*\\s).{8,}$", ["Abcdefg1"], ["abcdefg1", "Abcdefgh", "Abcd efg1"]],
    ["(?<![a-z])cat(?<=\\bcat)\\b", ["a cat", "cat"], ["bobcat", "cats"]],
    ["^\\p{Lu}\\u00e9\\x41\\u{1F600}\\ud83d\\ude00[\\]^-]$", ["ÉéA😀😀]"], ["éA"]],
    ["", [""], []],
  ])("%s", (source, matching, other) => {
    const pattern = compilePattern(source);
    for (const text of matching) expect(pattern.test(text, free), text).toBe(true);
    for (const text of other) expect(pattern.test(text, free), text).toBe(false);
  });
});

// The platform's RegExp practically never finishes any of these.
describe("a catastrophic pattern finishes:", () => {
  it.each([
    "(a+)+$",
    "(a|a)*b",
    "(a|aa)+$",
    "(.*a){20}$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "^(\\w*)*$",
    "(?=(a+)+b)c",
    "(a*)*b",
    "^(a?){30}a{30}$",
    "\\s*a+\\s+$",
    "^(?:a|a?)+$",
  ])("%s", (source) => {
    expect(compilePattern(source).test(`${"a".repeat(20_000)}!`, free)).toBe(false);
  });
});

it("reports its work as it runs, so that the caller can end it", () => {
  const limit = new Error("enough");
  let left = 1_000;
  const spend = (steps: number) => {
    left -= steps;
    if (left < 0) throw limit;
  };
  expect(() => compilePattern("(.?){1000}x").test("a".repeat(100_000), spend)).toThrow(limit);
});

it("agrees with the platform's RegExp on any pattern and text", { tags: ["long"] }, () => {
  const sources = fc.letrec<{ part: string }>((tie) => ({
    part: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom(
        "a",
        "b",
        ".",
        "\\w",
        "[^a]",
        "[a-b]",
        "😀",
        "\\b",
        "\\B",
        "^",
        "$",
        "\\ud83d",
        "\\uD83D\\uDE00",
        "\\n",
        "\\W",
      ),
      fc.tuple(tie("part"), tie("part")).map(([a, b]) => a + b),
      fc.tuple(tie("part"), tie("part")).map(([a, b]) => `(${a}|${b})`),
      fc
        .tuple(tie("part"), fc.constantFrom("*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "{0}"))
        .map(([a, q]) => `(?:${a})${q}`),
      fc.tuple(tie("part"), fc.constantFrom("?=", "?!", "?<=", "?<!", "?:", "?<n>")).map(([a, g]) => `(${g}${a})`),
    ),
  })).part;
  const texts = fc.array(fc.constantFrom("a", "b", "\n", " ", "😀", "\ud83d", "\ude00"), { maxLength: 7 });
  fc.assert(
    fc.property(sources, fc.array(texts, { minLength: 1, maxLength: 4 }), (source, samples) => {
      let native: RegExp;
      try {
        native = new RegExp(source, "uy");
      } catch {
        return; // A duplicate group name.
      }
      let pattern: ReturnType<typeof compilePattern>;
      try {
        pattern = compilePattern(source);
      } catch (error) {
        expect(String(error)).toMatch(/lookarounds|more than/);
        return;
      }
      for (const text of samples.map((parts) => parts.join(""))) {
        expect(pattern.test(text, free), `${source} on ${JSON.stringify(text)}`).toBe(matchesSomewhere(native, text));
      }
    }),
    { numRuns: runs(5_000) },
  );
});

/** As the standard says. V8 also tries to match between the two halves of a surrogate pair. */
function matchesSomewhere(sticky: RegExp, text: string): boolean {
  let index = 0;
  for (const character of [...text, ""]) {
    sticky.lastIndex = index;
    if (sticky.test(text)) return true;
    index += character.length;
  }
  return false;
}
