// Starts the four agents as separate processes, in a random order, and shows their output. It passes them only the
// revision up to which entries belong to earlier runs. They learn everything else, such as the question, from the
// memory.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { MemX } from "../../sdk/typescript/index.ts";
import { memx } from "./memory.ts";
import { KEYS } from "./team.ts";

const TIME_LIMIT_MS = 60_000;
const MAX_START_OFFSET_MS = 400;
const AGENTS = ["query", "explorer", "synthesizer", "monitor"];

const children: ChildProcess[] = [];
process.on("exit", () => {
  for (const child of children) child.kill();
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
setTimeout(() => giveUp(`The agents did not finish within ${TIME_LIMIT_MS / 1000} s.`), TIME_LIMIT_MS).unref();

await new MemX({ retries: 1 })
  .health()
  .catch(() => giveUp("memX does not respond. Start it with `make dev`, or set MEMX_BASE_URL to its address."));
const { entries } = await memx
  .getMany(KEYS)
  .catch((error: Error) => giveUp(`${error.message}\nMEMX_API_KEY must be an API key that may read and write memx:*.`));
const after = Math.max(0, ...entries.map((entry) => entry?.revision ?? 0));

const order = AGENTS.map((agent) => ({ agent, draw: Math.random() })).sort((a, b) => a.draw - b.draw);
console.log(`starting in this order: ${order.map(({ agent }) => agent).join(", ")}`);
await Promise.all(
  order.map(async ({ agent }, place) => {
    await delay(place * Math.random() * MAX_START_OFFSET_MS);
    await runAgent(agent);
  }),
);
console.log("all four agents are done");

async function runAgent(agent: string): Promise<void> {
  const file = join(import.meta.dirname, `${agent}-agent.ts`);
  const env = { ...process.env, MEMX_AFTER: String(after) };
  const child = spawn(process.execPath, [file], { env, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  prefix(agent, child.stdout);
  prefix(agent, child.stderr);
  const [code] = await once(child, "close");
  if (code !== 0) giveUp(`The ${agent} agent failed.`);
}

function prefix(agent: string, output: Readable): void {
  createInterface({ input: output }).on("line", (line) => console.log(`${agent.padEnd(11)} | ${line}`));
}

function giveUp(reason: string): never {
  console.error(reason);
  process.exit(1);
}
