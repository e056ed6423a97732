// Patterns in the SDK match as in memX, and any number of them fits one watch.

import { expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { compileGlob as compileGlobOfMemx } from "../../memory/access/glob.ts";
import { compileGlob, escapeKey } from "../../sdk/typescript/glob.ts";
import { mergePatterns } from "../../sdk/typescript/merge-patterns.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const text = fc.string({ unit: fc.constantFrom(..."ab*?[]!-^\\z🎈"), maxLength: 12 });
const key = fc.string({ unit: fc.constantFrom(..."ab:*?[]🎈"), minLength: 1, maxLength: 40 });

it("matches as memX does", { tags: ["long"] }, () => {
  fc.assert(
    fc.property(text, text, (pattern, name) => compileGlob(pattern)(name) === compileGlobOfMemx(pattern)(name)),
    { numRuns: runs(3_000) },
  );
});

it("matches an escaped key and nothing else", { tags: ["long"] }, () => {
  fc.assert(
    fc.property(key, key, (a, b) => compileGlobOfMemx(escapeKey(a))(b) === (a === b)),
    { numRuns: runs(2_000) },
  );
});

it("merges patterns into few that fit, and that match the same keys at least", () => {
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 300 }), (keys) => {
      const patterns = mergePatterns(keys.map(escapeKey));
      const globs = patterns.map(compileGlobOfMemx);
      expect(patterns.length).toBeLessThanOrEqual(LIMITS.maxPatterns);
      expect(patterns.every((pattern) => pattern.length <= LIMITS.maxPatternChars)).toBe(true);
      expect(keys.every((each) => globs.some((glob) => glob(each)))).toBe(true);
    }),
    { numRuns: 200 },
  );
  expect(mergePatterns(["b", "a", "a"])).toEqual(["a", "b"]);
  expect(
    mergePatterns(Array.from({ length: 100 }, (_, n) => `task:${n}`).concat("goal")).every((each) => each !== "*"),
  ).toBe(true);
  const [long] = mergePatterns([escapeKey("*".repeat(512))]);
  expect(compileGlobOfMemx(long as string)("*".repeat(512))).toBe(true);
});
