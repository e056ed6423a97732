// One simulation: some processes and one memX, built from a seed, in virtual time.

import { createRandom, type Random } from "../../support/random.ts";
import { type Attempt, act, type Habits } from "./agent.ts";
import { Judge } from "./judge.ts";
import { Network, type Weather } from "./network.ts";
import { Process } from "./process.ts";
import { Server } from "./server.ts";
import { Timeline } from "./timeline.ts";

const MAX_STEPS = 100_000;

export type Simulation = {
  readonly faults: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
};

export async function simulateLeases(seed: number): Promise<Simulation> {
  const random = createRandom(String(seed));
  const timeline = new Timeline();
  const isCalm = random.chance(0.15);
  const server = new Server(timeline, isCalm || random.chance(0.7) ? 300_000 : 1_000);
  const spanMs = 300_000;
  const network = new Network(
    timeline,
    server,
    random.fork("network"),
    weather(isCalm, random),
    holes(isCalm, random, spanMs),
  );
  const attempts: Attempt[] = [];
  const habits: Habits = {
    keys: random.chance(0.7) ? ["lease"] : ["lease", "other"],
    ttls: random.pick([[1], [10 / 3], [10], [30, 1], [60, 10], [3_600, 600]]),
    isUnreliable: !isCalm && random.chance(0.4),
  };
  const world = { timeline, server, network, attempts };
  const faults: string[] = [];
  const processes = Array.from({ length: random.integer(2, 5) }, (_, n) => {
    const name = `process-${n}`;
    const process = new Process(name, timeline, random.fork(name));
    disturb(process, timeline, random.fork(`${name}/disturbances`), isCalm, spanMs);
    act(process, world, habits, random.fork(`${name}/agent`)).catch((error) => faults.push(`${name}: ${error?.stack}`));
    return process;
  });
  const judge = new Judge(timeline, server, attempts);
  await timeline.run(() => judge.look(), MAX_STEPS);
  judge.lookAtEnd();
  const leases = attempts.filter(({ lease }) => lease);
  const lost = leases.filter(({ lease }) => lease?.signal.reason?.name === "LeaseLostError");
  if (isCalm) for (const { id, lease } of lost) faults.push(`attempt ${id}: ${lease?.signal.reason}`);
  const counts = {
    ...network.counts,
    steps: timeline.steps,
    processes: processes.length,
    attempts: attempts.length,
    leases: leases.length,
    lost: lost.length,
  };
  return { faults: [...faults, ...judge.faults], counts, notes: timeline.notes };
}

function weather(isCalm: boolean, random: Random): Weather {
  const rate = () => (isCalm ? 0 : random.pick([0, 0.03, 0.1, 0.3]));
  return { lostRequests: rate(), lostResponses: rate(), delays: rate(), problems: rate(), suspensions: rate() / 10 };
}

function holes(isCalm: boolean, random: Random, spanMs: number) {
  if (isCalm) return [];
  return Array.from({ length: random.integer(0, 3) }, () => {
    const fromMs = random.number(0, spanMs);
    return { fromMs, toMs: fromMs + random.pick([2_000, 15_000, 90_000]) };
  });
}

/** Steps of the wall clock, and suspensions unless all is calm. */
function disturb(process: Process, timeline: Timeline, random: Random, isCalm: boolean, spanMs: number): void {
  for (let n = isCalm ? 0 : random.integer(0, 2); n > 0; n--) {
    const ms = random.pick([1_500, 5_000, 40_000, 200_000]);
    const isCounted = random.chance(0.5);
    timeline.after(random.number(0, spanMs), () => process.suspend(ms, isCounted));
  }
  for (let n = random.integer(0, 2); n > 0; n--) {
    const ms = random.pick([-60_000, 60_000, 3_600_000]);
    timeline.after(random.number(0, spanMs), () => process.stepWallClock(ms));
  }
}
