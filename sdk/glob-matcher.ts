// Matches globs, for memX and its clients, in time linear in pattern × text. The caller says how to match a piece, the
// part of a pattern between two runs of `*`.

import { type Piece, parseGlob } from "./parse-glob.ts";

/** Returns where a match of one piece ends, or -1. Positions count UTF-16 units and never split a surrogate pair. */
export type FindPiece = (text: string, from: number) => number;

/** A match begins exactly at `from` (`"at"`), or it is the leftmost match that begins there or later (`"after"`). */
export type CompilePiece = (piece: Piece, begins: "at" | "after") => FindPiece;

/** Compiles a glob to a test for whole texts. docs/protocol.md has the rules of a pattern. */
export function createGlobMatcher(pattern: string, compilePiece: CompilePiece): (text: string) => boolean {
  const pieces = parseGlob(pattern);
  const isImpossible = pieces.some((piece) => piece.some((codePoints) => codePoints.length === 0));
  if (isImpossible) return () => false;

  const [first = [], ...middle] = pieces;
  const last = middle.pop();
  const head = compilePiece(first, "at");
  if (last === undefined) return (text) => head(text, 0) === text.length;

  const inner = middle.map((piece) => compilePiece(piece, "after"));
  const tail = compilePiece(last, "at");
  return (text) => {
    let position = head(text, 0);
    for (const find of inner) {
      if (position === -1) return false;
      // All matches of a piece have the same length, so the leftmost one ends first: no need to backtrack.
      position = find(text, position);
    }
    const start = indexFromEnd(text, last.length);
    return position !== -1 && start >= position && tail(text, start) === text.length;
  };
}

/** Where the last `count` code points begin; -1 if there are fewer. */
function indexFromEnd(text: string, count: number): number {
  let index = text.length;
  for (let i = 0; i < count && index >= 0; i++) {
    index -= (text.codePointAt(index - 2) ?? 0) > 0xffff ? 2 : 1;
  }
  return index;
}
