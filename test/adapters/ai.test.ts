// The tools of memX for the AI SDK: what they return is what memX's MCP server returns, and agents of the AI SDK use them.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { generateText, isStepCount, type ToolSet } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { expect, it, onTestFinished } from "vitest";
import { INSTRUCTIONS, isReadOnly, TOOLS } from "../../sdk/tools.ts";
import { MEMX_INSTRUCTIONS, memxTools } from "../../sdk/typescript/adapters/ai.ts";
import type { MemX } from "../../sdk/typescript/index.ts";
import { connect, ENGINES, startEngine } from "./support/engines.ts";
import scenario from "./support/tool-calls.json" with { type: "json" };

type Call = (name: string, args: object) => Promise<{ result?: unknown; error?: string }>;

/** Calls the tools in process. */
function inProcess(memx: MemX, options: Parameters<typeof memxTools>[1] = {}): Call {
  const tools = memxTools(memx, options);
  return async (name, args) => {
    try {
      const execute = tools[name]?.execute as (args: object, options: object) => Promise<unknown>;
      return { result: await execute(args, {}) };
    } catch (error) {
      return { error: (error as Error).message };
    }
  };
}

async function overMcp(url: string): Promise<Call> {
  const client = new Client({ name: "test", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL("/mcp", url), {
    requestInit: { headers: { "x-api-key": "local_dev_key" } },
  });
  await client.connect(transport);
  onTestFinished(() => client.close());
  return async (name, args) => {
    const { isError, content, structuredContent } = await client.callTool({ name, arguments: args as never });
    const [first] = content as { text: string }[];
    return isError ? { error: first?.text ?? "" } : { result: structuredContent };
  };
}

/** Calls of every tool. The tests of the Python client read them too. */
const SCENARIO = scenario as unknown as [name: string, args: { value?: unknown }][];
const BIG = { text: "ü".repeat(20_000), list: [1, 2, 3] };

/** Without what differs from one memX to another. */
function comparable(outcome: unknown): unknown {
  const text = JSON.stringify(outcome, (name, value) =>
    ["revision", "previous", "ts", "created", "expires", "token", "cursor"].includes(name) && value !== null
      ? "…"
      : value,
  );
  return JSON.parse(text.replaceAll(/\\"(revision|ts|created|expires)\\":[\d.]+/g, '\\"$1\\":…'));
}

it.each(ENGINES)("every tool returns what the MCP server returns, on the %s store", async (engine) => {
  const urls = [await startEngine(engine), await startEngine()];
  const schema = { type: "number" };
  for (const [at, key] of ["team:schema", "schema"].entries()) await connect(urls[at] as string).setSchema(key, schema);
  const ours = inProcess(connect(urls[0] as string), { prefix: "team:" });
  const mcp = await overMcp(urls[1] as string);
  const used = new Set<string>();
  for (const [name, given] of SCENARIO) {
    const args = given.value === "$big" ? { ...given, value: BIG } : given;
    const [found, expected] = [await ours(name, args), await mcp(name, args)];
    used.add(name);
    // The texts of faults in the input itself are those of two validators.
    if (expected.error?.startsWith("invalid_request")) expect(found.error).toMatch(/^invalid_request: /);
    else expect(comparable(found), `${name} ${JSON.stringify(args).slice(0, 200)}`).toEqual(comparable(expected));
  }
  expect([...used].sort()).toEqual(TOOLS.map(({ name }) => name).sort());
});

it.each(ENGINES)("pages, waits, and holds claims, on the %s store", async (engine) => {
  const memx = connect(await startEngine(engine));
  const call = inProcess(memx, { prefix: "p[1]:" });
  const result = async (name: string, args: object) => (await call(name, args)).result as Record<string, unknown>;
  const names = Array.from({ length: 25 }, (_, n) => `k:${String(n).padStart(2, "0")}`);
  for (const name of [...names, "k:￿", "k:😀"])
    await memx.set(`p[1]:${name}`, "x".repeat(name === "k:03" ? 40_000 : 3_000));
  await memx.set("p1:k:other", 1);
  const seen: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await result("memx_list", { prefix: "k:", limit: 20, values: true, ...(cursor && { cursor }) });
    seen.push(...(page.keys as { key: string }[]).map(({ key }) => key));
    cursor = page.cursor as string | null;
  }
  expect(seen).toEqual([...names, "k:￿", "k:😀"]);
  const { revision } = await result("memx_set", { key: "go", value: 1 });
  const waiting = result("memx_wait", { patterns: ["k:*", "go"], since: revision });
  await memx.delete("p[1]:k:00");
  expect(await waiting).toMatchObject({ changes: [{ key: "k:00", action: "delete" }], reset: false });
  const many = await result("memx_wait", { patterns: ["k:*"], since: 0 });
  expect(many.note).toMatch("more than fits");
  const claim = await result("memx_claim", { key: "lease", holder: "ada" });
  const holding = { key: "lease", token: claim.token };
  expect(await result("memx_set", { key: "k:01", value: 1, holding })).toHaveProperty("revision");
  const again = await result("memx_claim", { key: "lease", holder: "ada", token: claim.token });
  expect(again.claimed).toBe(true);
  expect(await call("memx_set", { key: "k:01", value: 2, holding })).toEqual({
    error: expect.stringMatching(/^conflict: Your claim on "lease" has expired or was released/),
  });
  expect(await result("memx_get", { key: "k:01" })).toMatchObject({ value: 1 });
  expect(await result("memx_release", { key: "lease", token: again.token })).toEqual({ released: true });
});

it("offers the tools of sdk/tools.json, or those that only read", () => {
  const memx = connect("http://127.0.0.1:9");
  expect(MEMX_INSTRUCTIONS).toBe(INSTRUCTIONS);
  expect(Object.keys(memxTools(memx))).toEqual(TOOLS.map(({ name }) => name));
  expect(Object.keys(memxTools(memx, { readOnly: true }))).toEqual(TOOLS.filter(isReadOnly).map(({ name }) => name));
});

it("lets two agents of the AI SDK share a task and wait for each other", async () => {
  const url = await startEngine();
  const outputs: Record<string, unknown[]> = {};
  const agent = async (name: string, calls: [name: string, args: object][]) => {
    const tools: ToolSet = memxTools(connect(url), { prefix: "team:" });
    const steps = calls.map(([toolName, args], n) => ({
      content: [{ type: "tool-call" as const, toolCallId: `${n}`, toolName, input: JSON.stringify(args) }],
      finishReason: { unified: "tool-calls" as const, raw: undefined },
      usage,
      warnings: [],
    }));
    const last = {
      content: [{ type: "text" as const, text: `${name} is done` }],
      finishReason: { unified: "stop" as const, raw: undefined },
    };
    const model = new MockLanguageModelV4({ doGenerate: [...steps, { ...last, usage, warnings: [] }] });
    const result = await generateText({ model, tools, prompt: "Work.", stopWhen: isStepCount(10) });
    outputs[name] = result.steps.flatMap((step) => step.toolResults.map(({ output }) => output));
    return result.text;
  };
  const asker = agent("asker", [
    ["memx_set", { key: "question", value: "2 + 2" }],
    ["memx_wait", { patterns: ["answer"], since: 0, seconds: 25 }],
  ]);
  const solver = agent("solver", [
    ["memx_wait", { patterns: ["question"], since: 0, seconds: 25 }],
    ["memx_set", { key: "answer", value: 4 }],
  ]);
  expect(await Promise.all([asker, solver])).toEqual(["asker is done", "solver is done"]);
  expect(outputs.asker?.[1]).toMatchObject({ changes: [{ key: "answer", value: 4 }] });
  expect(outputs.solver?.[0]).toMatchObject({ changes: [{ key: "question", value: "2 + 2" }] });
});

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};
