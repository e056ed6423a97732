// Globs that match exactly as Python's `fnmatch.fnmatchcase` does, in time linear in pattern × text. Not for file paths:
// `/`, `.` and `:` are ordinary characters. The rules are those of `translate` in
// https://github.com/python/cpython/blob/3.12/Lib/fnmatch.py, which is what the scopes of API keys were written for.

import picomatch from "picomatch/posix.js";

/** Code points, as inclusive ranges in no particular order. */
type CodePoints = readonly (readonly [from: number, to: number])[];

/** The tokens between two runs of `*`, one per code point of the text. */
type Piece = CodePoints[];

/**
 * UTF-16 units of a pattern; a longer one matches nothing. The longest key, each of its characters in brackets, still
 * fits, and the classes written for the longest pattern stay below the 65,536 characters that picomatch takes.
 */
export const MAX_PATTERN_LENGTH = 2_048;

const ANY: CodePoints = [[0, 0x10ffff]];

/**
 * Compiles a glob to a test for whole texts; keep it, compiling costs more than matching.
 *
 * `*` is any run of characters, `?` any one, `[abc]` and `[a-z]` one of these, `[!abc]` one not of these. `]` is an
 * ordinary member in first place, `-` in first and last, a range from high to low is left out, a `[` without its `]` is
 * ordinary, and so is everything else, `\` too. A character is a code point, newlines included; case matters.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  if (pattern.length > MAX_PATTERN_LENGTH) return () => false;
  const pieces = splitAtStars(Array.from(pattern));
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

function splitAtStars(pattern: readonly string[]): Piece[] {
  let piece: Piece = [];
  const pieces = [piece];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] as string;
    if (character === "*") {
      if (pattern[i - 1] === "*") continue;
      piece = [];
      pieces.push(piece);
    } else if (character === "?") {
      piece.push(ANY);
    } else {
      const end = character === "[" ? closingBracket(pattern, i) : -1;
      piece.push(end === -1 ? only(character) : members(pattern.slice(i + 1, end)));
      if (end !== -1) i = end;
    }
  }
  return pieces;
}

function closingBracket(pattern: readonly string[], open: number): number {
  const first = pattern[open + 1] === "!" ? open + 2 : open + 1;
  return pattern.indexOf("]", first + 1);
}

/** What stands between brackets. */
function members(content: readonly string[]): CodePoints {
  let negated = content[0] === "!";
  const parts: string[][] = [];
  for (let i = negated ? 1 : 0; i < content.length; ) {
    const isRange = content[i + 1] === "-" && i + 2 < content.length;
    const part = content.slice(i, isRange ? i + 3 : i + 1);
    if (codePoint(part[0]) <= codePoint(part.at(-1))) parts.push(part);
    i += part.length;
  }
  // Python looks for `!` after it left out ranges from high to low: `[z-a!x]` is `[!x]`, and `[z-a!-x]` is `[!-x]`.
  if (!negated && parts[0]?.[0] === "!") {
    negated = true;
    parts.splice(0, 1, ...parts[0].slice(1).map((character) => [character]));
  }
  const ranges = parts.map((part) => [codePoint(part[0]), codePoint(part.at(-1))] as const);
  return negated ? complement(ranges) : ranges;
}

function complement(ranges: CodePoints): CodePoints {
  const gaps: [from: number, to: number][] = [];
  let next = 0;
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) gaps.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= 0x10ffff) gaps.push([next, 0x10ffff]);
  return gaps;
}

function codePoint(character: string | undefined): number {
  return character?.codePointAt(0) as number;
}

function only(character: string): CodePoints {
  const number = codePoint(character);
  return [[number, number]];
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
