// Checks whether a history of calls on one key is linearizable: is there an order in which each call takes effect at
// one moment between its start and its end, and a single register gives the observed responses? Wing and Gong's search,
// with Lowe's memory of visited states. It knows nothing about memX.

/** A short name for the key's value, such as the write that set it; `null` if the key does not exist. */
export type State = string | null;

export type Call = {
  readonly begun: number;
  /** `Infinity` if no response came: the call may have taken effect at any time, or never. */
  readonly ended: number;
  /** The state after the call, or `undefined` if the call would not give the observed response in this state. */
  readonly step: (state: State) => State | undefined;
  readonly told: string;
};

/** Why the history is not linearizable, or `undefined` if it is. */
export function findViolation(history: readonly Call[]): string | undefined {
  const calls = [...history].sort((a, b) => a.begun - b.begun);
  const been = new Set<string>();
  let furthest = 0;
  /** Every call with a response must be placed. */
  const isDone = (placed: readonly boolean[]) => calls.every((call, n) => placed[n] || call.ended === Infinity);
  const stack: { readonly placed: readonly boolean[]; readonly count: number; readonly state: State }[] = [
    { placed: calls.map(() => false), count: 0, state: null },
  ];
  for (let node = stack.pop(); node; node = stack.pop()) {
    const { placed, count, state } = node;
    if (isDone(placed)) return undefined;
    furthest = Math.max(furthest, count);
    // No call can take effect after the end of a call that has not taken effect yet.
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
  return `No order of ${calls.length} calls explains their responses, only of ${furthest}: ${calls.map(({ told }) => told).join("; ")}`;
}
