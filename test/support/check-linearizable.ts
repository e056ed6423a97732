// Judges histories of one key: is there an order of its calls, in which each takes effect at one moment between its begin and
// its end, and in which one register would have answered each as it was answered? Wing and Gong's search, remembering where
// it has been, as Lowe has it. Knows nothing of memX.

/** What a key holds, for short: which write put it there; `null` for nothing. */
export type State = string | null;

export type Call = {
  readonly begun: number;
  /** `Infinity` where no answer came: it may have taken effect at any time, or never. */
  readonly ended: number;
  /** What it makes of a state, and whether it would be answered as it was; `undefined` if it would not. */
  readonly step: (state: State) => State | undefined;
  readonly told: string;
};

/** Why the history is not linearizable, or `undefined` if it is. */
export function findViolation(history: readonly Call[]): string | undefined {
  const calls = [...history].sort((a, b) => a.begun - b.begun);
  const been = new Set<string>();
  let furthest = 0;
  /** Every call of which the answer was seen has to be placed. */
  const isDone = (placed: readonly boolean[]) => calls.every((call, n) => placed[n] || call.ended === Infinity);
  const stack: { readonly placed: readonly boolean[]; readonly count: number; readonly state: State }[] = [
    { placed: calls.map(() => false), count: 0, state: null },
  ];
  for (let node = stack.pop(); node; node = stack.pop()) {
    const { placed, count, state } = node;
    if (isDone(placed)) return undefined;
    furthest = Math.max(furthest, count);
    // Nothing can take effect after something has ended that has not taken effect yet.
    const limit = Math.min(...calls.map((call, n) => (placed[n] ? Infinity : call.ended)));
    for (const [n, call] of calls.entries()) {
      if (call.begun > limit) break;
      if (placed[n]) continue;
      const next = call.step(state);
      if (next === undefined) continue;
      const after = placed.with(n, true);
      const name = `${after.map(Number).join("")} ${next}`;
      if (been.has(name)) continue;
      been.add(name);
      stack.push({ placed: after, count: count + 1, state: next });
    }
  }
  return `no order of ${calls.length} calls explains their answers; at most ${furthest} of them: ${calls.map(({ told }) => told).join("; ")}`;
}
