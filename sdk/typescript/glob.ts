// Patterns on this side of the wire: which of a client's subscriptions an event is for. As Python's `fnmatchcase`, like
// memX itself: `*` any characters, `?` one, `[abc]`, `[a-z]`, `[!abc]`, and everything else is itself.

import { type Piece, parseGlob } from "../parse-glob.ts";

/** The pattern that matches this key and no other. */
export function escapeKey(key: string): string {
  return key.replaceAll(/[*?[]/g, "[$&]");
}

/** Compiles a pattern to a test for whole keys, linear in the key for each piece between two `*`. */
export function compileGlob(pattern: string): (key: string) => boolean {
  const pieces = parseGlob(pattern);
  const first = pieces[0] as Piece;
  const last = pieces.at(-1) as Piece;
  const middle = pieces.slice(1, -1);
  return (key) => {
    const characters = Array.from(key, (character) => character.codePointAt(0) as number);
    if (pieces.length === 1) return characters.length === first.length && matchesAt(first, characters, 0);
    let position = first.length;
    const end = characters.length - last.length;
    if (position > end || !matchesAt(first, characters, 0) || !matchesAt(last, characters, end)) return false;
    for (const piece of middle) {
      // The leftmost match ends first too, as a piece has one length: nothing to come back to.
      while (position + piece.length <= end && !matchesAt(piece, characters, position)) position++;
      position += piece.length;
      if (position > end) return false;
    }
    return true;
  };
}

function matchesAt(piece: Piece, characters: readonly number[], at: number): boolean {
  return piece.every((ranges, index) => {
    const character = characters[at + index];
    return character !== undefined && ranges.some(([from, to]) => from <= character && character <= to);
  });
}
