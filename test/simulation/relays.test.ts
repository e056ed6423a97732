// Relays under random faults and where nothing fails, on the real code in virtual time: many seeds, each of them minutes. A failed
// seed says how to run it alone. Then the same with rules broken on purpose, which the simulations must notice.

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { amount } from "../support/long-runs.ts";
import { MUTANTS, type Mutant, type MutantName } from "./relays/mutants.ts";
import type { ChannelClass } from "./relays/platform.ts";
import {
  type Simulated,
  simulateFaults,
  simulateLateGone,
  simulatePromptness,
  simulateSlowRegistration,
  simulateSlowRelay,
} from "./relays/simulate.ts";

const { SIMULATION_SEEDS, SIMULATION_FIRST_SEED } = env as unknown as Record<string, string | undefined>;
const first = Number(SIMULATION_FIRST_SEED || 1);

const MAX_FAILED_SEEDS = 3;

/** Seeds after which a broken rule counts as not noticed. */
const MUTANT_SEEDS = 200;

const KINDS = [
  [
    "every subscriber gets every change once and in order, or a reset, and is up to date 40 s after the last fault",
    simulateFaults,
    Number(SIMULATION_SEEDS || amount(40, 2_000)),
  ],
  [
    "where nothing fails, every subscriber has every change within 1.5 s",
    simulatePromptness,
    Number(SIMULATION_SEEDS || amount(10, 500)),
  ],
] as const;

it.each(KINDS)("%s", { tags: ["long"], timeout: 3_600_000 }, async (title, simulate, count) => {
  const totals: Record<string, number> = {};
  const failed: string[] = [];
  const begunMs = Date.now();
  let seed = first;
  for (; seed < first + count && failed.length < MAX_FAILED_SEEDS; seed++) {
    const { faults, counts } = await simulate(seed);
    for (const [what, number] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + number;
    // Otherwise nothing else in this process gets a turn.
    await scheduler.wait(0);
    if (faults.length === 0) continue;
    const again = `SIMULATION_FIRST_SEED=${seed} SIMULATION_SEEDS=1 npx vitest run --project simulation-embedded relays -t '${title}'`;
    failed.push(`seed ${seed}, run it again with ${again}\n  ${faults.join("\n  ")}`);
  }
  if (count >= 100)
    console.log(
      `${title}: seeds ${first} to ${seed - 1}, ${((Date.now() - begunMs) / 1000).toFixed(1)} s, ${JSON.stringify(totals)}`,
    );
  expect(failed.join("\n")).toBe("");
  if (simulate !== simulateFaults || count < 30) return;
  // Of every kind of fault, some happened.
  for (const what of ["lost calls", "lost replies", "doubled calls", "crashes", "hibernations", "partitions", "resets"])
    expect(totals[what], what).toBeGreaterThan(0);
});

it("runs the same way again from the same seed", async () => {
  expect(await simulateFaults(first)).toEqual(await simulateFaults(first));
});

const DIRECTED = [
  ["keeps a relay that registers while its parent hears that it is not needed", simulateLateGone],
  [
    "is ready with what was written before a subscriber came, while a registration takes long",
    simulateSlowRegistration,
  ],
  ["keeps a bounded number of characters for a slow relay, which then reads the log", simulateSlowRelay],
] as const;

it.each(DIRECTED)("%s", async (_, simulate) => {
  expect((await simulate()).faults).toEqual([]);
});

const NOTICED_BY: Readonly<Record<Mutant["noticedBy"], (channel: ChannelClass, seed: number) => Promise<Simulated>>> = {
  faults: (channel, seed) => simulateFaults(seed, channel),
  promptness: (channel, seed) => simulatePromptness(seed, channel),
  "late gone": simulateLateGone,
  "slow relay": simulateSlowRelay,
};

const RULES = (Object.keys(MUTANTS) as MutantName[]).map((name) => [MUTANTS[name].breaks, name] as const);

it.each(RULES)("notices if this no longer holds: %s (%s)", async (_, name) => {
  const { noticedBy }: Mutant = MUTANTS[name];
  const path = `../../durable-objects/channel/channel.ts?mutant=${name}`;
  const { Channel } = (await import(/* @vite-ignore */ path)) as { Channel: ChannelClass };
  const simulate = NOTICED_BY[noticedBy];
  const seeds = noticedBy === "faults" || noticedBy === "promptness" ? MUTANT_SEEDS : 1;
  for (let seed = 1; seed <= seeds; seed++) {
    if ((await simulate(Channel, seed)).faults.length > 0) return;
    await scheduler.wait(0);
  }
  expect.fail(`${seeds} seeds did not notice`);
});
