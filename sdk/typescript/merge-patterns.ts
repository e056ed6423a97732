// Any number of patterns as the few that fit into one `/watch`: where there are too many, those that begin alike become one
// that is wider. What it lets through too much is dropped on this side.

const MAX_PATTERNS = 64;
const MAX_PATTERN_LENGTH = 512;
/** Of all of them in a URL. Some servers and proxies take 8 KiB of one. */
const MAX_URL_LENGTH = 6_000;

/** Patterns that match at least what these do: sorted, so that the same set gives the same list. */
export function mergePatterns(patterns: Iterable<string>): string[] {
  const short = (pattern: string) => pattern.length <= MAX_PATTERN_LENGTH;
  let covering = [...new Set(Array.from(patterns, (each) => (short(each) ? each : widen(each))))].sort();
  while (covering.length > MAX_PATTERNS || urlLength(covering) > MAX_URL_LENGTH) {
    const prefix = longestSharedPrefix(covering);
    const alike = (pattern: string) => literalPrefix(pattern).startsWith(prefix);
    covering = [...covering.filter((pattern) => !alike(pattern)), `${prefix}*`].sort();
  }
  return covering;
}

function widen(pattern: string): string {
  return `${whole(literalPrefix(pattern).slice(0, MAX_PATTERN_LENGTH - 1))}*`;
}

/** Of any two of them: in a sorted list they stand side by side. */
function longestSharedPrefix(patterns: readonly string[]): string {
  let longest = "";
  let previous = "";
  for (const pattern of patterns) {
    const next = literalPrefix(pattern);
    let length = 0;
    while (length < next.length && next[length] === previous[length]) length++;
    if (length > longest.length) longest = whole(next.slice(0, length));
    previous = next;
  }
  return longest;
}

/** Up to the first character that may be one of several. */
function literalPrefix(pattern: string): string {
  return /^[^*?[]*/.exec(pattern)?.[0] ?? "";
}

/** Without half a character at the end. */
function whole(text: string): string {
  return text.replace(/[\ud800-\udbff]$/, "");
}

function urlLength(patterns: readonly string[]): number {
  return patterns.reduce((sum, pattern) => sum + "&pattern=".length + encodeURIComponent(pattern).length, 0);
}
