// How many operations a contestant completes in a second, and what each takes.

import type { Measured } from "./load.ts";
import { cpuSeconds } from "./processes.ts";

/** With a number for each round. */
export type Cost = {
  readonly perSecond: number[];
  readonly p50Ms: number[];
  readonly p99Ms: number[];
  /**
   * Processor time per operation, in microseconds: of the server, of the server with Redis and its bridge, and of the
   * load.
   */
  readonly serverMicros: number[];
  readonly allMicros: number[];
  readonly loadMicros: number[];
};

export const emptyCost = (): Cost => ({
  perSecond: [],
  p50Ms: [],
  p99Ms: [],
  serverMicros: [],
  allMicros: [],
  loadMicros: [],
});

/** Adds a round. `measure` calls its argument when its measurement begins. */
export async function addRound(
  cost: Cost,
  pids: readonly number[],
  measure: (onStart: () => void) => Promise<Measured>,
): Promise<void> {
  const cpu = () => [cpuSeconds(pids.slice(0, 1)), cpuSeconds(pids)] as const;
  let before = cpu();
  const measured = await measure(() => {
    before = cpu();
  });
  const after = cpu();
  const micros = (cpuTime: number) => (cpuTime * 1e6) / measured.operations;
  cost.perSecond.push(measured.perSecond);
  cost.p50Ms.push(measured.p50Ms);
  cost.p99Ms.push(measured.p99Ms);
  cost.serverMicros.push(micros(after[0] - before[0]));
  cost.allMicros.push(micros(after[1] - before[1]));
  cost.loadMicros.push(micros(measured.loadCpuSeconds));
}
