// Globs in the client, to find the subscriptions that an event is for. They match as in memX.

import { createGlobMatcher } from "../glob-matcher.ts";
import type { Piece } from "../parse-glob.ts";

/**
 * Returns the pattern that matches this key and no other.
 *
 * @example
 * console.log(escapeKey("what?")); // what[?]
 */
export function escapeKey(key: string): string {
  return key.replaceAll(/[*?[]/g, "[$&]");
}

/** Compiles a pattern to a test for whole keys. */
export function compileGlob(pattern: string): (key: string) => boolean {
  return createGlobMatcher(pattern, (piece, begins) =>
    begins === "at" ? (text, from) => endOfMatch(piece, text, from) : (text, from) => findPiece(piece, text, from),
  );
}

function findPiece(piece: Piece, text: string, from: number): number {
  for (let at = from; at < text.length; at += unitsAt(text, at)) {
    const end = endOfMatch(piece, text, at);
    if (end !== -1) return end;
  }
  return -1;
}

function endOfMatch(piece: Piece, text: string, from: number): number {
  let at = from;
  for (const ranges of piece) {
    const character = text.codePointAt(at);
    if (character === undefined || !ranges.some(([low, high]) => low <= character && character <= high)) return -1;
    at += unitsAt(text, at);
  }
  return at;
}

/** UTF-16 units of the code point at an index. */
function unitsAt(text: string, index: number): 1 | 2 {
  return (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
}
