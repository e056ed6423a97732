// Two Claudes share one memory directory: what the first one notes, the second one reads. A script replies instead of Claude,
// so that the example needs no account: leave out `fetch`, and set ANTHROPIC_API_KEY.

import Anthropic from "@anthropic-ai/sdk";
import { betaMemoryTool } from "@anthropic-ai/sdk/helpers/beta/memory";
// Outside this repository, install memx-sdk and import from "memx-sdk" and "memx-sdk/anthropic".
import { type MemoryCommand, memxMemory } from "../../sdk/typescript/adapters/anthropic.ts";
import { MemX } from "../../sdk/typescript/index.ts";

const memx = new MemX({ apiKey: process.env.MEMX_API_KEY ?? "local_dev_key" });
const memory = memxMemory(memx, { prefix: `memories-${crypto.randomUUID().slice(0, 8)}/` });

async function ask(prompt: string, commands: readonly MemoryCommand[]): Promise<void> {
  const client = new Anthropic({ apiKey: process.env.ANTHROPIC_API_KEY ?? "none", fetch: script(commands) });
  const runner = client.beta.messages.toolRunner({
    model: "claude-sonnet-5-5",
    max_tokens: 1024,
    messages: [{ role: "user", content: prompt }],
    tools: [betaMemoryTool(memory)],
  });
  await runner;
  for (const { content } of runner.params.messages) {
    for (const block of Array.isArray(content) ? content : []) {
      if (block.type === "tool_result") console.log(block.content);
    }
  }
}

/** Replies with one memory command after the other, and then with a text. */
function script(commands: readonly MemoryCommand[]): typeof fetch {
  let turn = 0;
  return async () => {
    const input = commands[turn++];
    const call = { type: "tool_use", id: `call_${turn}`, name: "memory", input };
    const content = [input ? call : { type: "text", text: "Done." }];
    const stop_reason = input ? "tool_use" : "end_turn";
    const message = { id: `msg_${turn}`, type: "message", role: "assistant", model: "claude", content, stop_reason };
    return Response.json({ ...message, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } });
  };
}

const path = "/memories/ada.md";
await ask("Ada likes pizza.", [{ command: "create", path, file_text: "# Ada\nlikes pizza" }]);
await ask("Ada moved to Lima.", [
  { command: "view", path: "/memories" },
  { command: "insert", path, insert_line: 2, insert_text: "lives in Lima" },
  { command: "view", path },
]);
