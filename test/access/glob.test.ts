// Globs of the server and of the SDK, against three judges: Python's own results, a naive matcher written here, and cases
// picked by hand.

import { describe, expect, it } from "vitest";
import { compileGlob as compileOnServer, MAX_PATTERN_LENGTH } from "../../memory/access/glob.ts";
import { compileGlob as compileInClient } from "../../sdk/typescript/glob.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";
import triples from "./fnmatch.fixture.json";

/** fnmatch as its documentation and `translate` read, tried position by position; only for short texts. */
function naiveMatch(pattern: string, text: string): boolean {
  const keys = Array.from(text);
  let reached = new Set([0]);
  for (const token of naiveTokens(Array.from(pattern))) {
    const next = new Set<number>();
    for (const i of reached) {
      if (token === "*") for (let end = i; end <= keys.length; end++) next.add(end);
      else if (i < keys.length && token(keys[i] as string)) next.add(i + 1);
    }
    reached = next;
  }
  return reached.has(keys.length);
}

type Token = "*" | ((character: string) => boolean);

function naiveTokens([head, ...rest]: string[]): Token[] {
  if (head === undefined) return [];
  if (head === "*") return ["*", ...naiveTokens(rest)];
  if (head === "?") return [() => true, ...naiveTokens(rest)];
  const close = rest.indexOf("]", rest[0] === "!" ? 2 : 1);
  if (head !== "[" || close === -1) return [(character) => character === head, ...naiveTokens(rest)];
  return [naiveClass(rest.slice(0, close)), ...naiveTokens(rest.slice(close + 1))];
}

/** Step by step what `translate` does: cut at the hyphens of ranges, join what a backward range leaves, then look for `!`. */
function naiveClass(content: string[]): Token {
  const chunks: string[][] = [];
  let from = 0;
  for (let k = content.indexOf("-", content[0] === "!" ? 2 : 1); k > 0; k = content.indexOf("-", k + 3)) {
    chunks.push(content.slice(from, k));
    from = k + 1;
  }
  if (from < content.length || chunks.length === 0) chunks.push(content.slice(from));
  else chunks.at(-1)?.push("-");
  for (let k = chunks.length - 1; k > 0; k--) {
    const [before, after] = [chunks[k - 1] as string[], chunks[k] as string[]];
    if (order(before.at(-1)) > order(after[0])) chunks.splice(k - 1, 2, [...before.slice(0, -1), ...after.slice(1)]);
  }
  const negated = chunks[0]?.[0] === "!";
  if (negated) chunks[0]?.shift();
  if (chunks[0]?.length === 0 && chunks.length > 1) chunks[0].push("-", ...(chunks.splice(1, 1)[0] as string[]));
  return (character) => {
    const within = chunks.some((chunk, k) => {
      const [low, high] = [order(chunk.at(-1)), order(chunks[k + 1]?.[0])];
      return chunk.includes(character) || (low <= order(character) && order(character) <= high);
    });
    return within !== negated;
  };
}

const order = (character: string | undefined) => character?.codePointAt(0) ?? Number.NaN;

describe.each([
  ["the server", compileOnServer],
  ["the SDK", compileInClient],
])("a glob of %s", (_, compileGlob) => {
  it("matches as Python's fnmatch does", { tags: ["long"] }, () => {
    const wrong = triples.filter(([pattern, key, answer]) => compileGlob(pattern as string)(key as string) !== answer);
    expect(wrong).toEqual([]);
    expect(triples.length).toBeGreaterThan(4_000);
  });

  const text = (alphabet: string, maxLength: number) =>
    fc.array(fc.constantFrom(...Array.from(alphabet)), { maxLength }).map((characters) => characters.join(""));

  it.each([
    ["brackets", "[[]]!--ab", "[]!-abc"],
    ["stars", "**?abc:", "abc:/"],
    ["everything", "**??[[]]!-^ab|\\.(){}+@/\n😀", "[]!-^ab|\\.(){}+@/\n😀"],
  ])("matches as a naive matcher does, with patterns of %s", (_, patternAlphabet, textAlphabet) => {
    fc.assert(
      fc.property(
        text(patternAlphabet, 9),
        fc.array(text(textAlphabet, 4), { minLength: 30, maxLength: 30 }),
        (pattern, texts) => {
          const matches = compileGlob(pattern);
          for (const key of [...texts, pattern]) {
            if (matches(key) !== naiveMatch(pattern, key)) throw new Error(`${JSON.stringify({ pattern, key })}`);
          }
        },
      ),
      { numRuns: runs(4_000) },
    );
  });

  it("matches any text of any characters as itself, once each is in brackets", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (key, other) => {
        // `[!]` is no class; every other character, `]` included, stands for itself.
        const pattern = Array.from(key, (character) => (character === "!" ? "!" : `[${character}]`)).join("");
        expect(compileGlob(pattern)(key)).toBe(true);
        expect(compileGlob(pattern)(other)).toBe(other === key);
      }),
    );
  });

  it.each([
    ["*", ""],
    ["*", "a1b2c3d4:agent:goal/\n😀"],
    ["", ""],
    ["agent:*", "agent:"],
    ["agent:*", "agent:a/b:c\nd"],
    ["*:goal", "a:b:goal"],
    ["?", "😀"],
    ["[😀-😂]", "😁"],
    ["[!a]", "😀"],
    ["[", "["],
    ["[a", "[a"],
    ["[]", "[]"],
    ["[!]", "[!]"],
    ["[]]", "]"],
    ["[!]a]", "b"],
    ["[[]", "["],
    ["[*]", "*"],
    ["[\\]", "\\"],
    ["\\*", "\\anything"],
    ["[a-]", "-"],
    ["[z-a!]", "a"],
    ["[!z-a]", "z"],
    ["a*b*c", "aXbXbXc"],
    ["*ab", "abab"],
    ["{a,b}", "{a,b}"],
    [".", "."],
    ["./a", "./a"],
  ])("%j matches %j", (pattern, key) => {
    expect(compileGlob(pattern)(key)).toBe(true);
  });

  it.each([
    ["", "a"],
    ["agent:*", "Agent:goal"],
    ["agent:*", "xagent:goal"],
    ["?", ""],
    ["?", "ab"],
    ["??", "😀"],
    ["[!a]", ""],
    ["[z-a]", "z"],
    ["[z-a]", "[z-a]"],
    ["[z-a!-!]", "!"],
    ["ab*ba", "aba"],
    ["a*a", "a"],
    ["*a*", "b"],
  ])("%j does not match %j", (pattern, key) => {
    expect(compileGlob(pattern)(key)).toBe(false);
  });

  // picomatch itself says yes to each of these, which would hand out keys that a scope does not name.
  it.each([
    ["[!a]", "a"],
    ["[!a]*", "abc"],
    ["[!x]", "[!x]"],
    ["[a]", "[a]"],
    ["[a-c]", "[a-c]"],
    ["a[b]", "a[b]"],
    ["[^a]", "b"],
    ["[[:alpha:]]", "q"],
    ["!a", "b"],
    ["(a|b)", "a"],
    ["a(b)?", "a"],
    ["{a,b}", "a"],
    ["{1..3}", "2"],
    ["@(a|b)", "b"],
    ["+(a)", "aaa"],
    ["!(a)", "b"],
    ["?(a)b", "b"],
    ["*(a)", "a"],
    ["\\d", "7"],
    ["\\a", "a"],
    ['"a"', "a"],
    ["./a", "a"],
    ["[ab]", "a/"],
    ["**/a", "a"],
    ["a/**", "a"],
  ])("%j grants nothing beyond fnmatch: not %j", (pattern, key) => {
    expect(compileGlob(pattern)(key)).toBe(false);
  });

  // Any of these would take longer than the universe if a matcher came back to earlier choices.
  it.each([
    ["six stars", "*a*a*a*a*a*b", "a".repeat(20_000)],
    ["a thousand stars", `${"*a".repeat(1_000)}*b`, "a".repeat(20_000)],
    ["a thousand stars after a head", `${"a*".repeat(1_000)}b`, "a".repeat(20_000)],
    ["stars and question marks", `${"*?".repeat(1_000)}b`, "😀".repeat(10_000)],
    ["five hundred negated classes", `*${"[!b]".repeat(500)}b`, "😀".repeat(10_000)],
    ["a long piece that almost matches everywhere", `*${"a".repeat(1_000)}b*`, "a".repeat(20_000)],
    ["repeated pieces", `*${"aab*".repeat(500)}c`, "aab".repeat(7_000)],
  ])("is refused in a time that pattern × text bounds: %s", (_, pattern, key) => {
    expect(compileGlob(pattern)(key)).toBe(false);
  });

  it("gives the same result for every call, whatever it matched before", () => {
    const matches = compileGlob("a*b*c");
    const keys = ["abc", "aXbXc", "ab", "", "abc", "Xabc", "aXbXc"];
    expect(keys.map(matches)).toEqual([true, true, false, false, true, false, true]);
  });
});

it("takes patterns up to the server's bound, of whatever tokens, and matches nothing beyond it", () => {
  for (const token of ["a", "?", "￾", "😀", "[!😀]", "[a-]", "*a", "[!"]) {
    const pattern = token.repeat(MAX_PATTERN_LENGTH / token.length);
    expect(() => compileOnServer(pattern)("a")).not.toThrow();
  }
  const longest = "a".repeat(MAX_PATTERN_LENGTH);
  expect(compileOnServer(longest)(longest)).toBe(true);
  expect(compileOnServer("*".repeat(MAX_PATTERN_LENGTH))("a")).toBe(true);
  expect(compileOnServer("*".repeat(MAX_PATTERN_LENGTH + 1))("a")).toBe(false);
});
