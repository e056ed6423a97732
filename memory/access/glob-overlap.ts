// Decides whether any key can match both of two globs: without such a key, a watcher would wait for ever.

import { LIMITS } from "../../config/limits.ts";
import { type CodePoints, parseGlob } from "../../sdk/parse-glob.ts";
import { MAX_PATTERN_LENGTH } from "./glob.ts";
import { namespacedKey } from "./principal.ts";

/** Code points of the longest namespaced key. A glob with more tokens matches no key. */
const MAX_TOKENS = LIMITS.maxKeyBytes + 9;

/**
 * Whether some key of the namespace matches one of the patterns and, namespaced, one of the scopes. Exact, if every text
 * except the empty one is a key. Compares fewer than (characters of all patterns) × (characters of all scopes) classes.
 */
export function canOverlap(namespace: string, patterns: readonly string[], scopes: readonly string[]): boolean {
  const prefix = Array.from(namespacedKey(namespace, ""), literal);
  const keys = patterns.map((pattern) => parse(pattern, prefix)).filter((pieces) => pieces !== undefined);
  const readable = scopes.map((scope) => parse(scope)).filter((pieces) => pieces !== undefined);
  return keys.some((a) => readable.some((b) => overlap(a, b)));
}

/** The classes between two runs of `*`, and the lowest and highest code point of each. */
type Piece = { readonly classes: readonly CodePoints[]; readonly lowest: Int32Array; readonly highest: Int32Array };

type Glob = readonly [Piece, ...Piece[]];

/** Returns `undefined` for a glob that matches no key. */
function parse(glob: string, prefix?: readonly CodePoints[]): Glob | undefined {
  if (glob === "" || glob.length > MAX_PATTERN_LENGTH) return undefined;
  const pieces: (readonly CodePoints[])[] = parseGlob(glob);
  if (prefix) {
    // No key is empty, so a `*` alone stands for one character or more.
    const onlyStars = pieces.every((piece) => piece.length === 0);
    pieces[0] = [...prefix, ...(onlyStars ? parseGlob("?").flat() : (pieces[0] ?? []))];
  }
  const classes = pieces.flat();
  if (classes.length > MAX_TOKENS || classes.some((codePoints) => codePoints.length === 0)) return undefined;
  return pieces.map(toPiece) as [Piece, ...Piece[]];
}

function overlap(a: Glob, b: Glob): boolean {
  const [head, tail] = [a[0], a.at(-1) as Piece];
  const [otherHead, otherTail] = [b[0], b.at(-1) as Piece];
  if (a.length === 1 && b.length === 1) return sizeOf(head) === sizeOf(otherHead) && fits(head, otherHead, 0);
  if (a.length === 1) return matches(head, b);
  if (b.length === 1) return matches(otherHead, a);
  // Both have a `*`. If their ends agree as far as the shorter one goes, both match the text that has the longer ends
  // and, between these, all inner pieces of `a` and then all of `b`.
  const overhang = sizeOf(otherTail) - sizeOf(tail);
  const headsFit = sizeOf(head) < sizeOf(otherHead) ? fits(head, otherHead, 0) : fits(otherHead, head, 0);
  return headsFit && (overhang >= 0 ? fits(tail, otherTail, overhang) : fits(otherTail, tail, -overhang));
}

/** Whether a glob with a `*` matches one of the texts that have, at each position, a character of that position's class. */
function matches(text: Piece, glob: Glob): boolean {
  const [head, tail] = [glob[0], glob.at(-1) as Piece];
  const end = sizeOf(text) - sizeOf(tail);
  let at = sizeOf(head);
  if (at > end || !fits(head, text, 0) || !fits(tail, text, end)) return false;
  for (const piece of glob.slice(1, -1)) {
    // The leftmost place leaves the most to the pieces after it, and no position is used twice.
    while (at + sizeOf(piece) <= end && !fits(piece, text, at)) at++;
    at += sizeOf(piece);
    if (at > end) return false;
  }
  return true;
}

/** Whether each class of `piece` has a character in common with the class at its position in `text`. */
function fits(piece: Piece, text: Piece, from: number): boolean {
  const { classes, lowest, highest } = piece;
  for (let index = 0; index < classes.length; index++) {
    const at = from + index;
    if ((lowest[index] as number) > (text.highest[at] as number)) return false;
    if ((text.lowest[at] as number) > (highest[index] as number)) return false;
    if (!intersect(classes[index] as CodePoints, text.classes[at] as CodePoints)) return false;
  }
  return true;
}

/** For two classes of which neither ends before the other begins. */
function intersect(a: CodePoints, b: CodePoints): boolean {
  if (a.length === 1 && b.length === 1) return true;
  return a.some(([from, to]) => b.some(([otherFrom, otherTo]) => from <= otherTo && otherFrom <= to));
}

function sizeOf({ classes }: Piece): number {
  return classes.length;
}

function toPiece(classes: readonly CodePoints[]): Piece {
  return {
    classes,
    lowest: Int32Array.from(classes, (codePoints) => Math.min(...codePoints.map(([from]) => from))),
    highest: Int32Array.from(classes, (codePoints) => Math.max(...codePoints.map(([, to]) => to))),
  };
}

function literal(character: string): CodePoints {
  const codePoint = character.codePointAt(0) as number;
  return [[codePoint, codePoint]];
}
