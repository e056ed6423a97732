// Globs that match exactly as Python's `fnmatch.fnmatchcase` does, because the scopes of API keys were written for it. Not
// for file paths: `/`, `.` and `:` are ordinary characters. docs/decisions/0028 says why picomatch compiles the pieces.

import picomatch from "picomatch/posix.js";
import { type CompilePiece, createGlobMatcher } from "../../sdk/glob-matcher.ts";

/**
 * UTF-16 units of a pattern; a longer one matches nothing. The longest key, each of its characters in brackets, still
 * fits, and the classes written for the longest pattern stay below the 65,536 characters that picomatch takes.
 */
export const MAX_PATTERN_LENGTH = 2_048;

/**
 * Compiles a glob to a test for whole texts. Keep the test: compiling costs more than matching.
 *
 * `*` is any run of characters, `?` any one, `[abc]` and `[a-z]` one of these, `[!abc]` one not of these. `]` is an
 * ordinary member in first place, `-` in first and last. A range from high to low is left out. A `[` without its `]` is
 * ordinary, and so is everything else, `\` too. A character is a code point, newlines included; case matters.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  return pattern.length > MAX_PATTERN_LENGTH ? () => false : createGlobMatcher(pattern, compilePiece);
}

/**
 * picomatch sees classes of escaped code points and nothing else. It would read any other syntax as more than `fnmatch`
 * does (`!`, braces, extglobs, `./`, POSIX classes), and so grant more than a scope says.
 */
const compilePiece: CompilePiece = (piece, begins) => {
  if (piece.length === 0) return (_, from) => from;
  const hex = (number: number) => `\\u{${number.toString(16)}}`;
  const glob = piece.map((codePoints) => `[${codePoints.map(([from, to]) => `${hex(from)}-${hex(to)}`).join("")}]`);
  // `contains` leaves out the anchors, `strictSlashes` an optional `/` at the end, `literalBrackets` a second meaning of
  // brackets; `debug` throws where picomatch would return an expression that matches the empty text.
  const expression = picomatch.makeRe(glob.join(""), {
    contains: true,
    strictSlashes: true,
    literalBrackets: false,
    debug: true,
    flags: begins === "at" ? "uy" : "ug",
  });
  return (text, from) => {
    expression.lastIndex = from;
    return expression.test(text) ? expression.lastIndex : -1;
  };
};
