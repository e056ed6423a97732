// The memory tool in memX: several agents share one directory, and Anthropic's SDK and the AI SDK both use it.

import { createAnthropic } from "@ai-sdk/anthropic";
import Anthropic from "@anthropic-ai/sdk";
import { betaMemoryTool } from "@anthropic-ai/sdk/helpers/beta/memory";
import { beforeEach, describe, expect, it } from "vitest";
import { type MemxMemory, memxMemory } from "../../sdk/typescript/adapters/anthropic.ts";
import type { MemX } from "../../sdk/typescript/index.ts";
import { connect, ENGINES, startEngine } from "./support/engines.ts";

const PATH = "/memories/notes.txt";

describe.each(ENGINES)("on the %s store", (engine) => {
  let url: string;
  let memx: MemX;
  let memory: MemxMemory;

  beforeEach(async () => {
    url = await startEngine(engine);
    memx = connect(url);
    memory = memxMemory(memx);
  });

  it("keeps all of the lines that 8 agents insert into one file, 50 each", async () => {
    await memory.create({ command: "create", path: PATH, file_text: "begin" });
    const agents = Array.from({ length: 8 }, () => memxMemory(connect(url)));
    await Promise.all(
      agents.map(async (agent, a) => {
        for (let n = 0; n < 50; n++) {
          await agent.insert({ command: "insert", path: PATH, insert_line: 1, insert_text: `agent ${a} line ${n}\n` });
        }
      }),
    );
    const lines = ((await memx.get<string>("memories/notes.txt"))?.value ?? "").split("\n");
    expect(lines[0]).toBe("begin");
    expect(lines).toHaveLength(401);
    expect(new Set(lines).size).toBe(401);
  });

  it("replaces a text of several lines, if it is unique", async () => {
    await memory.create({ command: "create", path: PATH, file_text: "a\nb\nc\na\nb" });
    const replace = (old_str: string) =>
      memory.str_replace({ command: "str_replace", path: PATH, old_str, new_str: "-" });
    await expect(replace("a\nb")).rejects.toThrow("in lines: 1, 4.");
    await expect(replace("b\na")).rejects.toThrow("did not appear verbatim");
    expect(await replace("b\nc\na")).toContain("     2\t-");
    expect((await memx.get("memories/notes.txt"))?.value).toBe("a\n-\nb");
  });

  it("moves a folder in one step, and never a file into a file", async () => {
    for (const name of ["one", "two/three"]) {
      await memory.create({ command: "create", path: `/memories/from/${name}`, file_text: name });
    }
    await memory.create({ command: "create", path: "/memories/file", file_text: "" });
    const rename = (old_path: string, new_path: string) => memory.rename({ command: "rename", old_path, new_path });
    await expect(rename("/memories/from", "/memories/from/below")).rejects.toThrow("into itself");
    await expect(rename("/memories/from", "/memories/file/below")).rejects.toThrow("is a file");
    await rename("/memories/from", "/memories/to/here");
    const keys = [];
    for await (const { key } of memx.keys({ prefix: "memories/" })) keys.push(key);
    expect(keys).toEqual(["memories/file", "memories/to/here/one", "memories/to/here/two/three"]);
  });

  it("passes over values that are no files", async () => {
    await memx.set("memories/plan", { steps: [] });
    await memx.set("memories/100%", "not encoded");
    await memory.create({ command: "create", path: "/memories/a%b\tc", file_text: "x" });
    expect((await memx.get("memories/a%25b%09c"))?.value).toBe("x");
    expect(await memory.view({ command: "view", path: "/memories" })).toMatch(
      /\n1B\t\/memories\n1B\t\/memories\/a%b\tc$/,
    );
    await expect(memory.view({ command: "view", path: "/memories/plan" })).rejects.toThrow("does not exist");
    await expect(memory.create({ command: "create", path: "/memories/plan", file_text: "" })).rejects.toThrow("exists");
    await expect(memory.execute({ command: "other" } as never)).rejects.toThrow("not implemented");
  });
});

describe("in a framework", () => {
  let memx: MemX;

  beforeEach(async () => {
    memx = connect(await startEngine());
  });

  /** Replies to the first request with a call of the memory tool, and then with a text. */
  function fakeClaude(requests: unknown[]): typeof fetch {
    return async (_, init) => {
      requests.push(JSON.parse(String(init?.body)));
      const input = { command: "create", path: PATH, file_text: "Ada likes pizza." };
      const call = { type: "tool_use", id: "call_1", name: "memory", input };
      const content = requests.length === 1 ? [call] : [{ type: "text", text: "I have noted it." }];
      const stop_reason = requests.length === 1 ? "tool_use" : "end_turn";
      const usage = { input_tokens: 1, output_tokens: 1 };
      const reply = { id: "msg_1", type: "message", role: "assistant", model: "claude", content, stop_reason, usage };
      return Response.json({ ...reply, stop_sequence: null });
    };
  }

  it("is a tool of Anthropic's SDK", async () => {
    const requests: unknown[] = [];
    const client = new Anthropic({ apiKey: "none", fetch: fakeClaude(requests) });
    const message = await client.beta.messages.toolRunner({
      model: "claude-sonnet-5-5",
      max_tokens: 100,
      messages: [{ role: "user", content: "Remember that Ada likes pizza." }],
      tools: [betaMemoryTool(memxMemory(memx))],
    });
    expect(message.content).toMatchObject([{ text: "I have noted it." }]);
    expect(JSON.stringify(requests[1])).toContain(`File created successfully at: ${PATH}`);
    expect((await memx.get("memories/notes.txt"))?.value).toBe("Ada likes pizza.");
  });

  it("is a tool of the AI SDK", async () => {
    const { generateText, isStepCount } = await import("ai");
    const requests: unknown[] = [];
    const anthropic = createAnthropic({ apiKey: "none", fetch: fakeClaude(requests) });
    const { text } = await generateText({
      model: anthropic("claude-sonnet-5-5"),
      prompt: "Remember that Ada likes pizza.",
      tools: { memory: anthropic.tools.memory_20250818({ execute: memxMemory(memx).execute }) },
      stopWhen: isStepCount(3),
    });
    expect(text).toBe("I have noted it.");
    expect(JSON.stringify(requests[1])).toContain(`File created successfully at: ${PATH}`);
    expect((await memx.get("memories/notes.txt"))?.value).toBe("Ada likes pizza.");
  });
});
