// Two agents of the AI SDK share a task through memX's tools. A scripted model decides, so that the example needs no account:
// put a real one in its place.

import { generateText, isStepCount } from "ai";
import { MockLanguageModelV4 } from "ai/test";
// Outside this repository, install memx-sdk and import from "memx-sdk" and "memx-sdk/ai".
import { MEMX_INSTRUCTIONS, memxTools } from "../../sdk/typescript/adapters/ai.ts";
import { MemX } from "../../sdk/typescript/index.ts";

type Call = [tool: string, input: object];

const team = `team-${crypto.randomUUID().slice(0, 8)}:`;

async function runAgent(name: string, calls: readonly Call[]): Promise<void> {
  using memx = new MemX({ apiKey: process.env.MEMX_API_KEY ?? "local_dev_key", agent: name });
  const { steps, text } = await generateText({
    model: script(name, calls),
    instructions: MEMX_INSTRUCTIONS,
    tools: memxTools(memx, { prefix: team }),
    stopWhen: isStepCount(10),
    prompt: "Do your part of the work.",
  });
  for (const { toolCalls, toolResults } of steps) {
    for (const [at, { toolName, input }] of toolCalls.entries()) {
      console.log(`${name}: ${toolName} ${JSON.stringify(input)}`);
      console.log(`  ${JSON.stringify(toolResults[at]?.output)}`);
    }
  }
  console.log(`${name}: ${text}`);
}

function script(name: string, calls: readonly Call[]): MockLanguageModelV4 {
  const usage = {
    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 1, text: 1, reasoning: 0 },
  };
  const reason = (unified: "tool-calls" | "stop") => ({ unified, raw: undefined });
  const steps = calls.map(([toolName, input], n) => ({
    content: [{ type: "tool-call" as const, toolCallId: `${n}`, toolName, input: JSON.stringify(input) }],
    ...{ finishReason: reason("tool-calls"), usage, warnings: [] },
  }));
  const last = { content: [{ type: "text" as const, text: `${name} is done.` }], finishReason: reason("stop"), usage };
  return new MockLanguageModelV4({ doGenerate: [...steps, { ...last, warnings: [] }] });
}

await Promise.all([
  runAgent("planner", [
    ["memx_set", { key: "task:1", value: { question: "2 + 2" }, expect: 0 }],
    ["memx_wait", { patterns: ["task:1:result"], since: 0 }],
  ]),
  runAgent("worker", [
    ["memx_wait", { patterns: ["task:?"], since: 0 }],
    ["memx_claim", { key: "task:1:lease", holder: "worker" }],
    ["memx_set", { key: "task:1:result", value: 4 }],
  ]),
]);
