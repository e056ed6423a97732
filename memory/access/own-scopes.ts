// The scopes of an API key as its caller sees them. Scopes are globs over namespaced keys, and callers never see their
// namespace. These are globs over keys as callers write them, and match exactly the keys that the scopes allow.

import { closingBracket, parseGlob } from "../../sdk/parse-glob.ts";
import { MAX_PATTERN_LENGTH } from "./glob.ts";
import { namespacedKey } from "./principal.ts";

/** Leaves out scopes that match no key of the namespace. */
export function ownScopes(namespace: string, scopes: readonly string[]): string[] {
  const prefix = Array.from(namespacedKey(namespace, ""));
  return [...new Set(scopes.filter(canMatch).flatMap((scope) => rests(tokensOf(scope), prefix)))];
}

/** Whether the glob matches any text: it does not if it is too long, or has a class that no character is in. */
function canMatch(glob: string): boolean {
  if (glob.length > MAX_PATTERN_LENGTH) return false;
  return parseGlob(glob).every((piece) => piece.every((codePoints) => codePoints.length > 0));
}

/** The texts of the glob's parts: a run of `*` as one, a class with its brackets, any other character. */
function tokensOf(glob: string): string[] {
  const pattern = Array.from(glob);
  const tokens: string[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const end = pattern[i] === "[" ? closingBracket(pattern, i) : -1;
    const token = pattern.slice(i, Math.max(i, end) + 1).join("");
    if (token !== "*" || tokens.at(-1) !== "*") tokens.push(token);
    i = Math.max(i, end);
  }
  return tokens;
}

/** The globs of what can follow the prefix in a text that the tokens match: several if a `*` can end in different places. */
function rests(tokens: readonly string[], prefix: readonly string[]): string[] {
  // The tokens that can be next.
  let next = new Set([0]);
  for (const character of prefix) {
    const after = new Set<number>();
    for (const index of pastStars(tokens, next)) {
      if (tokens[index] === "*") after.add(index);
      else if (matchesOne(tokens[index], character)) after.add(index + 1);
    }
    next = after;
  }
  // A `*` also stands for nothing, so the rest that begins with it includes the rest that begins after it.
  const starts = [...next].filter((index) => !(tokens[index - 1] === "*" && next.has(index - 1)));
  // No key is empty.
  return starts.map((index) => tokens.slice(index).join("")).filter((glob) => glob !== "");
}

/** Adds the token after each `*`, because the `*` can stand for nothing. */
function pastStars(tokens: readonly string[], next: ReadonlySet<number>): Set<number> {
  const all = new Set(next);
  for (const index of next) if (tokens[index] === "*") all.add(index + 1);
  return all;
}

function matchesOne(token: string | undefined, character: string): boolean {
  const codePoint = character.codePointAt(0) as number;
  const codePoints = parseGlob(token ?? "").flat()[0] ?? [];
  return codePoints.some(([from, to]) => from <= codePoint && codePoint <= to);
}
