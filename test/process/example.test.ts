// Runs the examples against a running memX, as their READMEs say.

import { spawn } from "node:child_process";
import { expect, it } from "vitest";
import { startDev } from "./support/dev-server.ts";

async function runExample(
  url: string,
  name = "research-team",
  settings: NodeJS.ProcessEnv = { MEMX_API_KEY: "agent_key_1" },
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [`examples/${name}/run.ts`], {
    env: { ...process.env, MEMX_BASE_URL: url, ...settings },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { code, output };
}

it("writes a summary and exits, also on the memory of an earlier run", async () => {
  const { url } = await startDev();
  for (const run of [1, 2]) {
    const { code, output } = await runExample(url);
    expect(code, output).toBe(0);
    expect(output, `run ${run}`).toMatch(/memx:summary +r\d+/);
    expect(output).toContain("wrote the final summary");
  }
});

it("says how to start memX when none is running", async () => {
  const { code, output } = await runExample("http://127.0.0.1:9");
  expect(code).toBe(1);
  expect(output).toContain("make dev");
});

it("completes every task of the work queue once, although agents stop in the middle", async () => {
  const { url } = await startDev();
  // Long enough for a task on a busy machine, and short enough to wait for those of the agents that stop.
  const settings = { MEMX_API_KEY: "local_dev_key", LEASE_SECONDS: "10" };
  const { code, output } = await runExample(url, "work-queue", settings);
  expect(code, output).toBe(0);
  expect(output).toContain("60 of 60 done, 0 done twice, 4 agents stopped in the middle");
});
