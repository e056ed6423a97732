// Two processes may continue one conversation of the OpenAI Agents SDK: the session is in memX. A model that counts replies
// instead of a real one, so that the example needs no account.

import { Agent, type Model, Runner, Usage } from "@openai/agents-core";
// Outside this repository, install memx-sdk and import from "memx-sdk" and "memx-sdk/openai-agents".
import { MemxSession } from "../../sdk/typescript/adapters/openai-agents.ts";
import { MemX } from "../../sdk/typescript/index.ts";

const model: Model = {
  async getResponse({ input }) {
    const content = [{ type: "output_text" as const, text: `I know ${input.length} items of our conversation.` }];
    return { usage: new Usage(), output: [{ type: "message", role: "assistant", status: "completed", content }] };
  },
  async *getStreamedResponse() {},
};

const memx = new MemX({ apiKey: process.env.MEMX_API_KEY ?? "local_dev_key" });
const sessionId = `ada-${crypto.randomUUID().slice(0, 8)}`;
const runner = new Runner({ tracingDisabled: true });
const agent = new Agent({ name: "Assistant", model });
for (const question of ["Who are you?", "What do you know?"]) {
  // As in another process: a new object for the same session.
  const session = new MemxSession(memx, { sessionId });
  const { finalOutput } = await runner.run(agent, question, { session });
  console.log(`${question} ${finalOutput}`);
}
