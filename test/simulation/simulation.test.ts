// The feed under random faults: many seeds, each with a namespace of its own. A failed seed says how to run it alone.

import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { logLength } from "../../config/store-settings.ts";
import { engine } from "../support/engine.ts";
import { grant } from "../support/grant.ts";
import { amount } from "../support/long-runs.ts";
import { disturbRelays } from "./faults.ts";
import { apiKeyOf, simulate, userOf } from "./simulate.ts";

const { SIMULATION_SEEDS, SIMULATION_FIRST_SEED } = env as unknown as Record<string, string | undefined>;
const first = Number(SIMULATION_FIRST_SEED || 1);
/** More with relays, which other tests reach less. */
const count = Number(SIMULATION_SEEDS || amount(6, env.REGION ? 600 : 400));
const seeds = Array.from({ length: count }, (_, n) => first + n);

const project = !env.REGION
  ? `simulation-${engine}`
  : engine === "redis"
    ? "simulation-relays-redis"
    : "simulation-relays";

/** Simulations at a time, in one isolate. */
const CONCURRENCY = 12;
const MAX_FAILED_SEEDS = 3;

it(`every subscriber gets every change once and in order, or a reset: seeds ${first} to ${seeds.at(-1)}`, {
  tags: ["long"],
  timeout: 120_000 + count * 10_000,
}, async () => {
  // memX logs every fault that the simulation causes.
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const error = vi.spyOn(console, "error").mockImplementation(() => {});
  const restoreRelays = disturbRelays();
  const rules = { read: ["*"], write: ["*"] };
  grant(Object.fromEntries(seeds.map((seed) => [apiKeyOf(seed), { ...rules, user_id: userOf(seed) }])));
  const settings = { logLength: logLength(env) };
  const totals: Record<string, number> = {};
  const failed: string[] = [];
  const begunMs = Date.now();
  let done = 0;
  const queue = [...seeds];
  const work = async () => {
    for (let seed = queue.shift(); seed !== undefined && failed.length < MAX_FAILED_SEEDS; seed = queue.shift()) {
      const { faults, counts } = await simulate(seed, settings).catch((cause) => ({
        faults: [String(cause?.stack ?? cause)],
        counts: {},
      }));
      done++;
      if (done % 100 === 0) console.log(`${done} seeds, ${Date.now() - begunMs} ms`);
      for (const [what, count] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + count;
      if (faults.length === 0) continue;
      const again = `SIMULATION_FIRST_SEED=${seed} SIMULATION_SEEDS=1 npx vitest run --project ${project}`;
      failed.push(`seed ${seed}, run it again with ${again}\n  ${faults.join("\n  ")}`);
      console.log(failed.at(-1));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  restoreRelays();
  warn.mockRestore();
  error.mockRestore();
  const seconds = (Date.now() - begunMs) / 1000;
  if (count >= 100)
    console.log(
      `${project}: seeds ${first} to ${first + done - 1}, ${seconds.toFixed(1)} s, ${JSON.stringify(totals)}`,
    );
  expect(failed.join("\n")).toBe("");
});
