// Merges any number of patterns into the few that fit one `/watch`: if there are too many, patterns with a common
// prefix become one wider pattern. The client drops the changes that it did not ask for.

const MAX_PATTERNS = 64;
const MAX_PATTERN_LENGTH = 512;
/** Of all patterns in a URL. Some servers and proxies accept no URL of more than 8 KiB. */
const MAX_URL_LENGTH = 6_000;

/** Returns patterns that match at least what `patterns` match: sorted, so that the same set gives the same list. */
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

/** The longest prefix that two patterns share: in a sorted list they are neighbors. */
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

/** The text before the first `*`, `?` or `[`. */
function literalPrefix(pattern: string): string {
  return /^[^*?[]*/.exec(pattern)?.[0] ?? "";
}

/** Removes half a surrogate pair at the end. */
function whole(text: string): string {
  return text.replace(/[\ud800-\udbff]$/, "");
}

function urlLength(patterns: readonly string[]): number {
  return patterns.reduce((sum, pattern) => sum + "&pattern=".length + encodeURIComponent(pattern).length, 0);
}
