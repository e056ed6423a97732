// Parses a glob, for memX and its clients alike, as Python's `fnmatch.fnmatchcase` reads it. The rules are those of
// `translate` in https://github.com/python/cpython/blob/3.12/Lib/fnmatch.py.

/** Code points, as inclusive ranges in no particular order. */
export type CodePoints = readonly (readonly [from: number, to: number])[];

/** The tokens between two runs of `*`, one per code point of the text. */
export type Piece = CodePoints[];

const ANY: CodePoints = [[0, 0x10ffff]];

/** Returns the pieces between runs of `*`: one if there is no `*`. A class that no character is in has no ranges. */
export function parseGlob(text: string): Piece[] {
  const pattern = Array.from(text);
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

/** Where the class that begins at `open` ends; -1 if the bracket is an ordinary character. */
export function closingBracket(pattern: readonly string[], open: number): number {
  const first = pattern[open + 1] === "!" ? open + 2 : open + 1;
  return pattern.indexOf("]", first + 1);
}

/** Reads the text between brackets. */
function members(content: readonly string[]): CodePoints {
  let negated = content[0] === "!";
  const parts: string[][] = [];
  for (let i = negated ? 1 : 0; i < content.length; ) {
    const isRange = content[i + 1] === "-" && i + 2 < content.length;
    const part = content.slice(i, isRange ? i + 3 : i + 1);
    if (codePoint(part[0]) <= codePoint(part.at(-1))) parts.push(part);
    i += part.length;
  }
  // Python looks for `!` after it has left out ranges from high to low: `[z-a!x]` is `[!x]`, and `[z-a!-x]` is `[!-x]`.
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
