// Runs the examples of the adapters as they are.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { run } from "../process/support/installed-sdk.ts";
import { startEngine } from "./support/engines.ts";

const FOLDER = join(import.meta.dirname, "../../examples/adapters");
const EXAMPLES: Record<string, string[]> = {
  "ai.ts": ['planner: memx_wait {"patterns":["task:1:result"]', '"value":4', "worker is done."],
  "anthropic.ts": ["File created successfully at: /memories/ada.md", "     3\tlives in Lima"],
  "langgraph.ts": ["1 searches", "20 searches"],
  "openai-agents.ts": ["I know 1 items", "I know 3 items"],
};

let url: string;

beforeEach(async () => {
  url = await startEngine();
});

it("runs every example", () => {
  expect(readdirSync(FOLDER).filter((name) => name.endsWith(".ts"))).toEqual(Object.keys(EXAMPLES));
});

it.each(Object.entries(EXAMPLES))("%s", async (name, lines) => {
  const env = { ...process.env, MEMX_BASE_URL: url };
  const { code, stdout, stderr } = await run(process.execPath, [join(FOLDER, name)], { env });
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
  for (const line of lines) expect(stdout).toContain(line);
});
