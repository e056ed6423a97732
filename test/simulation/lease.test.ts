// Leases under random faults: the SDK's own code, several processes, and a simulated memX, in virtual time. A failed seed
// says how to run it alone; then the test also prints what happened. Vitest reports unhandled rejections.

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { amount, isLong } from "../support/long-runs.ts";
import { simulateLeases } from "./lease/simulate.ts";

const { SIMULATION_SEEDS, SIMULATION_FIRST_SEED } = env as unknown as Record<string, string | undefined>;
const first = Number(SIMULATION_FIRST_SEED || 1);
const count = Number(SIMULATION_SEEDS || amount(300, 20_000));

const MAX_FAILED_SEEDS = 3;

it(`a lease has one holder, ends in time and leaves nothing behind: seeds ${first} to ${first + count - 1}`, {
  tags: ["long"],
  timeout: 120_000 + count * 100,
}, async () => {
  const totals: Record<string, number> = {};
  const failed: string[] = [];
  for (let seed = first; seed < first + count && failed.length < MAX_FAILED_SEEDS; seed++) {
    const { faults, counts, notes } = await simulateLeases(seed);
    for (const [what, number] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + number;
    if (faults.length === 0) continue;
    const again = `SIMULATION_FIRST_SEED=${seed} SIMULATION_SEEDS=1 npx vitest run --project simulation-embedded lease`;
    failed.push(`seed ${seed}, run it again with ${again}\n  ${faults.join("\n  ")}`);
    if (count === 1) console.log(notes.join("\n"));
  }
  if (isLong) console.log(`${count} seeds, ${JSON.stringify(totals)}`);
  expect(failed.join("\n")).toBe("");
  if (count < 100) return;
  // Of every kind of fault, some happened.
  for (const what of [
    "lost",
    "lost request",
    "lost response",
    "late request",
    "black hole",
    "suspension during a request",
  ])
    expect(totals[what], what).toBeGreaterThan(0);
});

it("runs the same way again from the same seed", async () => {
  expect((await simulateLeases(first)).notes).toEqual((await simulateLeases(first)).notes);
});
