// Runs the MCP example against memX on workerd, as its README says.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { startWorkerd } from "./support/workerd.ts";

async function runExample(url: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["examples/mcp/run.ts"], {
    env: { ...process.env, MEMX_BASE_URL: url, MEMX_API_KEY: "local_dev_key" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  return { code, output };
}

it("two agents share a list of tasks, and one waits for the other", async () => {
  const { url } = await startWorkerd();
  const { code, output } = await runExample(url);
  expect(code, output).toBe(0);
  expect(output).toContain("4 of 4 tasks are done.");
  for (const call of ["planner memx_wait", "worker  memx_wait", "worker  memx_claim"]) expect(output).toContain(call);
});

it("says how to start memX when none is running", async () => {
  const { code, output } = await runExample("http://127.0.0.1:9");
  expect(code).toBe(1);
  expect(output).toContain("make dev");
});
