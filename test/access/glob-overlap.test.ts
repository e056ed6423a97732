// Whether a key can match a pattern and a scope: against a search through all short keys, and by hand.

import { describe, expect, it } from "vitest";
import { compileGlob } from "../../memory/access/glob.ts";
import { canOverlap } from "../../memory/access/glob-overlap.ts";
import fc from "../support/properties.ts";

const overlap = (pattern: string, scope: string, namespace = "") => canOverlap(namespace, [pattern], [scope]);

describe("two globs of a small alphabet", () => {
  const LETTERS = ["a", "b", "c", "d"];
  /** As long as the shortest common key of two globs of three tokens can be: all tokens of both. */
  const MAX_LENGTH = 6;
  const keys: string[] = [];
  for (let length = 1, texts = [""]; length <= MAX_LENGTH; length++) {
    texts = texts.flatMap((text) => LETTERS.map((letter) => text + letter));
    keys.push(...texts);
  }
  /** For each glob, which of the keys it matches. */
  const known = new Map<string, Uint8Array>();
  const matching = (glob: string) => {
    let found = known.get(glob);
    if (!found) {
      const matches = compileGlob(glob);
      found = Uint8Array.from(keys, (key) => (matches(key) ? 1 : 0));
      known.set(glob, found);
    }
    return found;
  };
  const token = fc.constantFrom("a", "b", "c", "?", "*", "[ab]", "[!a]", "[b-c]", "[!a-c]", "*a", "b*");
  const glob = fc.array(token, { maxLength: 3 }).map((tokens) => tokens.join(""));

  it("overlap exactly if some key matches both", () => {
    fc.assert(
      fc.property(glob, glob, (pattern, scope) => {
        const [a, b] = [matching(pattern), matching(scope)];
        const expected = a.some((matches, index) => matches === 1 && b[index] === 1);
        expect(overlap(pattern, scope), `${pattern} and ${scope}`).toBe(expected);
        expect(overlap(scope, pattern), `${scope} and ${pattern}`).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("a pattern and a scope", () => {
  it.each([
    ["*", "*"],
    ["a*", "*b"],
    ["agent:*", "agent:goal"],
    ["agent:[ab]", "agent:?"],
    ["a*c*e", "*b*d*"],
    ["[a-m]x", "[k-z]x"],
    ["[!a]", "[!b]"],
    ["??😀", "*[😀]"],
    ["[[]a", "[a"],
    ["*a*b*", "?????"],
    ["[!😀]", "😁"],
  ])("overlap: %s and %s", (pattern, scope) => {
    expect(overlap(pattern, scope)).toBe(true);
    expect(overlap(scope, pattern)).toBe(true);
  });

  it.each([
    ["agent:*", "user:*"],
    ["agent:goal", "agent:plan"],
    ["a*", "b*"],
    ["a", "[a"],
    ["*a", "*b"],
    ["?", "??"],
    ["[a-c]x", "[d-f]x"],
    ["*a*b*", "aaaa"],
    ["*aa*aa*", "aaa"],
    ["a*a", "a"],
    ["[z-a]", "*"],
    ["", ""],
    ["*", ""],
    ["?".repeat(522), "*"],
    ["a".repeat(2_049), "*"],
  ])("do not overlap: %s and %s", (pattern, scope) => {
    expect(overlap(pattern, scope)).toBe(false);
    expect(overlap(scope, pattern)).toBe(false);
  });

  it.each([
    ["agent:*", "a1b2c3d4:agent:*", true],
    ["*", "a1b2c3d4:?", true],
    ["*", "a1b2c3d4:", false],
    ["*", "a1b2c3d5:*", false],
    ["agent:*", "agent:*", false],
    ["a1b2c3d4:agent", "a1b2c3d4:agent", false],
    ["x".repeat(512), "a1b2c3d4:*", true],
  ])("of a namespace are compared with its name before the key: %s and %s", (pattern, scope, expected) => {
    expect(overlap(pattern, scope, "a1b2c3d4")).toBe(expected);
  });

  it("of a namespace that looks like a glob takes its name as it is", () => {
    expect(overlap("*", "[*]:a", "[*]")).toBe(false);
    expect(overlap("*", "[[][*]]:a", "[*]")).toBe(true);
  });

  it("need one pair that overlaps, and no more", () => {
    expect(canOverlap("", ["a*", "b*", "[z-a]"], ["c*", "b"])).toBe(true);
    expect(canOverlap("", ["a*", "b*", "[z-a]"], ["c*", "d"])).toBe(false);
    expect(canOverlap("", ["*"], [])).toBe(false);
  });
});

it("has a bound, however hostile both lists are", () => {
  // Backtracking would take longer than any test may for each of these.
  const stars = "*a".repeat(250);
  expect(overlap(`${stars}*b`, "a".repeat(500))).toBe(false);
  expect(overlap(`${stars}*b`, `${"?".repeat(500)}c`)).toBe(false);
  expect(overlap(`b${stars}*`, `c${"a*".repeat(250)}`)).toBe(false);
  expect(overlap(`${stars}*b`, `${"a*".repeat(250)}b`)).toBe(true);
  // As much as a watcher may have: each piece is tried at each place, and fails at its last class.
  const scopes = Array.from({ length: 20 }, () => "a".repeat(300));
  const patterns = Array.from({ length: 38 }, () => `*${"a".repeat(149)}b*`);
  expect(canOverlap("", patterns, scopes)).toBe(false);
});
