// Globs that match exactly as Python's `fnmatch.fnmatchcase` does, in time linear in pattern × text. Not for file paths:
// `/`, `.` and `:` are ordinary characters. The scopes of API keys were written for these rules.

import picomatch from "picomatch/posix.js";
import { type Piece, parseGlob } from "../../sdk/parse-glob.ts";

/**
 * UTF-16 units of a pattern; a longer one matches nothing. The longest key, each of its characters in brackets, still
 * fits, and the classes written for the longest pattern stay below the 65,536 characters that picomatch takes.
 */
export const MAX_PATTERN_LENGTH = 2_048;

/**
 * Compiles a glob to a test for whole texts; keep it, compiling costs more than matching.
 *
 * `*` is any run of characters, `?` any one, `[abc]` and `[a-z]` one of these, `[!abc]` one not of these. `]` is an
 * ordinary member in first place, `-` in first and last, a range from high to low is left out, a `[` without its `]` is
 * ordinary, and so is everything else, `\` too. A character is a code point, newlines included; case matters.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  if (pattern.length > MAX_PATTERN_LENGTH) return () => false;
  const pieces = parseGlob(pattern);
  if (pieces.some((piece) => piece.some((codePoints) => codePoints.length === 0))) return () => false;

  const [first = [], ...inner] = pieces;
  const last = inner.pop();
  const head = compilePiece(first, "uy");
  if (last === undefined) return (text) => endOfMatch(head, text, 0) === text.length;

  const middle = inner.map((piece) => compilePiece(piece, "ug"));
  const tail = compilePiece(last, "uy");
  return (text) => {
    let position = endOfMatch(head, text, 0);
    for (const piece of middle) {
      if (position === -1) return false;
      // The leftmost match ends first too, as a piece has one length: nothing to come back to.
      position = endOfMatch(piece, text, position);
    }
    const start = indexFromEnd(text, last.length);
    return position !== -1 && start >= position && endOfMatch(tail, text, start) === text.length;
  };
}

/**
 * picomatch sees classes of escaped code points and nothing else: any other syntax it would read as more than `fnmatch`
 * does (`!`, braces, extglobs, `./`, POSIX classes), and so grant more than a scope says.
 */
function compilePiece(piece: Piece, flags: "uy" | "ug"): RegExp {
  if (piece.length === 0) return /(?:)/y;
  const hex = (number: number) => `\\u{${number.toString(16)}}`;
  const glob = piece.map((codePoints) => `[${codePoints.map(([from, to]) => `${hex(from)}-${hex(to)}`).join("")}]`);
  // `contains` leaves out the anchors, `strictSlashes` an optional `/` at the end, `literalBrackets` a second meaning of
  // brackets; `debug` throws where picomatch would return an expression that matches the empty text.
  return picomatch.makeRe(glob.join(""), {
    contains: true,
    strictSlashes: true,
    literalBrackets: false,
    debug: true,
    flags,
  });
}

/** Where a match that begins at `from` (sticky) or later (global) ends, or -1. */
function endOfMatch(piece: RegExp, text: string, from: number): number {
  piece.lastIndex = from;
  return piece.test(text) ? piece.lastIndex : -1;
}

/** Where the last `count` code points begin; -1 if there are fewer. */
function indexFromEnd(text: string, count: number): number {
  let index = text.length;
  for (let i = 0; i < count && index >= 0; i++) {
    index -= (text.codePointAt(index - 2) ?? 0) > 0xffff ? 2 : 1;
  }
  return index;
}
