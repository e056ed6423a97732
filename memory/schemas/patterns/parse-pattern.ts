// Parses a regular expression (ECMAScript with the u flag) into a tree. Only for sources that `new RegExp(source, "u")`
// accepts, so the syntax is valid. It refuses backreferences, because no matcher bounds the time that they take.

/** A part of a pattern. A `set` matches one character; the platform's RegExp interprets its source. */
export type PatternTree =
  | { readonly kind: "set"; readonly source: string }
  | { readonly kind: "position"; readonly source: "^" | "$" | "\\b" | "\\B" }
  | { readonly kind: "sequence"; readonly items: readonly PatternTree[] }
  | { readonly kind: "choice"; readonly items: readonly PatternTree[] }
  | { readonly kind: "repeat"; readonly item: PatternTree; readonly min: number; readonly max: number }
  | Look;

/** A lookahead or lookbehind. */
export type Look = {
  readonly kind: "look";
  readonly item: PatternTree;
  readonly behind: boolean;
  readonly negative: boolean;
};

/** Why memX refuses a pattern. The message is for the caller. */
export class PatternError extends Error {
  override name = "PatternError";
}

/** Characters. The longest patterns in use, such as e-mail by the RFC, have a few thousand. */
const MAX_SOURCE_LENGTH = 4_096;
/** Levels of groups. Bounds every recursion over the tree. */
const MAX_NESTING = 50;

const SET =
  /\[(?:\\.|[^\]\\])*\]|\\(?:u\{[\dA-Fa-f]+\}|u[Dd][89ABab]..\\u[Dd][C-Fc-f]..|u[\dA-Fa-f]{4}|x..|c.|[Pp]\{[^}]*\}|.)|[^\\]/suy;
const QUANTIFIER = /(?:[*+?]|\{(\d+)(,(\d*))?\})\??/y;
const GROUP = /\((?:\?(?:([:=!]|<[=!])|<[^>]*>|(.)))?/suy;

export function parsePattern(source: string): PatternTree {
  if (source.length > MAX_SOURCE_LENGTH) {
    throw new PatternError(`Must not have more than ${MAX_SOURCE_LENGTH} characters.`);
  }
  let at = 0;
  let nesting = 0;

  function take(token: RegExp): RegExpExecArray | null {
    token.lastIndex = at;
    const match = token.exec(source);
    if (match) at += match[0].length;
    return match;
  }

  function choice(): PatternTree {
    if (++nesting > MAX_NESTING) throw new PatternError(`Must not have more than ${MAX_NESTING} levels of groups.`);
    const items = [sequence()];
    while (source[at] === "|") {
      at++;
      items.push(sequence());
    }
    nesting--;
    return items.length === 1 && items[0] ? items[0] : { kind: "choice", items };
  }

  function sequence(): PatternTree {
    const items: PatternTree[] = [];
    while (at < source.length && source[at] !== "|" && source[at] !== ")") items.push(repeated(atom()));
    return { kind: "sequence", items };
  }

  function repeated(item: PatternTree): PatternTree {
    const match = take(QUANTIFIER);
    if (!match) return item;
    const [sign, low, comma, high] = match;
    if (low === undefined) {
      return { kind: "repeat", item, min: sign.startsWith("+") ? 1 : 0, max: sign.startsWith("?") ? 1 : Infinity };
    }
    const min = Number(low);
    return { kind: "repeat", item, min, max: comma === undefined ? min : high ? Number(high) : Infinity };
  }

  function atom(): PatternTree {
    const group = take(GROUP);
    if (group) {
      const [, sign, unknown] = group;
      if (unknown !== undefined) throw new PatternError("Must not have groups that change flags.");
      const item = choice();
      at++; // The closing parenthesis.
      if (sign === undefined || sign === ":") return item;
      return { kind: "look", item, behind: sign.startsWith("<"), negative: sign.endsWith("!") };
    }
    const [token = ""] = take(SET) ?? [];
    if (/^\\[1-9k]/.test(token)) throw new PatternError("Must not have backreferences (\\1, \\k<name>).");
    if (token === "^" || token === "$" || token === "\\b" || token === "\\B")
      return { kind: "position", source: token };
    return { kind: "set", source: token };
  }

  return choice();
}
