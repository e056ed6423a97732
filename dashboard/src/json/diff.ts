// A line diff: the shortest edit script (Myers, "An O(ND) Difference Algorithm"), bounded in work.

export type DiffLine = { readonly op: "same" | "removed" | "added"; readonly text: string };

/** With more differences than this, the middle counts as replaced altogether. */
const MAX_EDITS = 1_000;

export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let [endA, endB] = [before.length, after.length];
  while (endA > start && endB > start && before[endA - 1] === after[endB - 1]) {
    endA--;
    endB--;
  }
  const same = (text: string): DiffLine => ({ op: "same", text });
  return [
    ...before.slice(0, start).map(same),
    ...diffMiddle(before.slice(start, endA), after.slice(start, endB)),
    ...before.slice(endA).map(same),
  ];
}

function diffMiddle(a: readonly string[], b: readonly string[]): DiffLine[] {
  const trace = findPath(a, b);
  if (!trace) return replaceAll(a, b);
  const lines: DiffLine[] = [];
  let [x, y] = [a.length, b.length];
  for (let d = trace.length - 1; d >= 0; d--) {
    const furthest = trace[d] as Map<number, number>;
    const k = x - y;
    const reach = (diagonal: number) => furthest.get(diagonal) ?? -1;
    const isDown = k === -d || (k !== d && reach(k - 1) < reach(k + 1));
    const previousK = isDown ? k + 1 : k - 1;
    const previousX = d === 0 ? 0 : reach(previousK);
    while (x > (isDown ? previousX : previousX + 1) && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      lines.push({ op: "same", text: a[--x] as string });
      y--;
    }
    if (d === 0) break;
    if (isDown) lines.push({ op: "added", text: b[--y] as string });
    else lines.push({ op: "removed", text: a[--x] as string });
  }
  return lines.reverse();
}

/** For each number of edits, how far each diagonal reached before that edit. */
function findPath(a: readonly string[], b: readonly string[]): Map<number, number>[] | undefined {
  const furthest = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let d = 0; d <= Math.min(a.length + b.length, MAX_EDITS); d++) {
    trace.push(new Map(furthest));
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1));
      let x = isDown ? (furthest.get(k + 1) ?? 0) : (furthest.get(k - 1) ?? 0) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      furthest.set(k, x);
      if (x >= a.length && y >= b.length) return trace;
    }
  }
  return undefined;
}

function replaceAll(a: readonly string[], b: readonly string[]): DiffLine[] {
  return [
    ...a.map((text): DiffLine => ({ op: "removed", text })),
    ...b.map((text): DiffLine => ({ op: "added", text })),
  ];
}

export type DiffPart = { readonly lines: readonly DiffLine[]; readonly hidden: number };

/** Groups the lines into parts to show and unchanged parts to fold, with `context` lines around each change. */
export function foldSame(lines: readonly DiffLine[], context = 3): DiffPart[] {
  const shown = new Array<boolean>(lines.length).fill(false);
  for (const [index, { op }] of lines.entries()) {
    if (op !== "same") shown.fill(true, Math.max(0, index - context), Math.min(lines.length, index + context + 1));
  }
  const parts: DiffPart[] = [];
  for (let from = 0; from < lines.length; ) {
    let to = from;
    while (to < lines.length && shown[to] === shown[from]) to++;
    parts.push(shown[from] ? { lines: lines.slice(from, to), hidden: 0 } : { lines: [], hidden: to - from });
    from = to;
  }
  return parts;
}
