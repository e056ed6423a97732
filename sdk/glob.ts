// Patterns on this side of the wire: which of a client's subscriptions an event is for. As Python's `fnmatchcase`, like
// memX itself: `*` any characters, `?` one, `[abc]`, `[a-z]`, `[!abc]`, and everything else is itself.

type Token = (character: string) => boolean;

/** The pattern that matches this key and no other. */
export function escapeKey(key: string): string {
  return key.replaceAll(/[*?[]/g, "[$&]");
}

/** Compiles a pattern to a test for whole keys, linear in the key for each piece between two `*`. */
export function compileGlob(pattern: string): (key: string) => boolean {
  const pieces = splitAtStars(Array.from(pattern));
  const first = pieces[0] as Token[];
  const last = pieces.at(-1) as Token[];
  const middle = pieces.slice(1, -1);
  return (key) => {
    const characters = Array.from(key);
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

function matchesAt(piece: readonly Token[], characters: readonly string[], at: number): boolean {
  return piece.every((token, index) => at + index < characters.length && token(characters[at + index] as string));
}

function splitAtStars(pattern: readonly string[]): Token[][] {
  let piece: Token[] = [];
  const pieces = [piece];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] as string;
    if (character === "*") {
      piece = [];
      pieces.push(piece);
    } else if (character === "?") {
      piece.push(() => true);
    } else {
      const first = pattern[i + 1] === "!" ? i + 2 : i + 1;
      const close = character === "[" ? pattern.indexOf("]", first + 1) : -1;
      piece.push(close === -1 ? (other) => other === character : members(pattern.slice(i + 1, close)));
      if (close !== -1) i = close;
    }
  }
  return pieces;
}

/** What stands between brackets. */
function members(content: readonly string[]): Token {
  let negated = content[0] === "!";
  const parts: string[][] = [];
  for (let i = negated ? 1 : 0; i < content.length; ) {
    const isRange = content[i + 1] === "-" && i + 2 < content.length;
    const part = content.slice(i, isRange ? i + 3 : i + 1);
    // Ranges from high to low are left out.
    if (codePoint(part[0]) <= codePoint(part.at(-1))) parts.push(part);
    i += part.length;
  }
  // Python looks for `!` after it left them out: `[z-a!x]` is `[!x]`, and `[z-a!-x]` is `[!-x]`.
  if (!negated && parts[0]?.[0] === "!") {
    negated = true;
    parts.splice(0, 1, ...parts[0].slice(1).map((character) => [character]));
  }
  const ranges = parts.map((part) => [codePoint(part[0]), codePoint(part.at(-1))] as const);
  return (character) => {
    const number = codePoint(character);
    return ranges.some(([from, to]) => from <= number && number <= to) !== negated;
  };
}

function codePoint(character: string | undefined): number {
  return character?.codePointAt(0) as number;
}
