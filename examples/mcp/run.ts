// Two agents that know memX only by MCP, as any agent host does, and share a list of tasks. No model decides here, so that the
// demo needs no account: each agent makes the tool calls that a model would make, and prints them.

import { randomUUID } from "node:crypto";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const url = new URL("/mcp", process.env.MEMX_BASE_URL ?? "http://127.0.0.1:8000");
const apiKey = process.env.MEMX_API_KEY ?? "local_dev_key";
const team = `report:${randomUUID().slice(0, 8)}`;
const CITIES = ["Lima", "Oslo", "Accra", "Quito"];

type Result = Record<string, unknown>;
type Agent = { readonly name: string; use(tool: string, args: Result): Promise<Result>; close(): Promise<void> };

const [planner, worker] = await Promise.all([connect("planner"), connect("worker")]).catch(() => {
  console.error("memX does not respond. Start it with `make dev`, or set MEMX_BASE_URL and MEMX_API_KEY.");
  process.exit(1);
});
await Promise.all([plan(planner), work(worker)]);
await Promise.all([planner.close(), worker.close()]);

/** Writes the tasks, waits until the worker has done them, and counts what it found. */
async function plan({ use }: Agent): Promise<void> {
  const { revision } = await use("memx_set", { key: `${team}:tasks`, value: [], expect: 0 });
  for (const city of CITIES) await use("memx_append", { key: `${team}:tasks`, items: [city] });
  let since = revision as number;
  for (let done = 0; done < CITIES.length; ) {
    const waited = await use("memx_wait", { patterns: [`${team}:result:*`], since });
    since = waited.revision as number;
    done += (waited.changes as unknown[]).length;
  }
  const { keys } = (await use("memx_list", { prefix: `${team}:result:`, values: true })) as { keys: Result[] };
  await use("memx_merge", { key: `${team}:summary`, changes: { cities: keys.length, by: "planner" } });
  console.log(`${keys.length} of ${CITIES.length} tasks are done.`);
}

/** Waits for the list, claims each task, writes its result while it holds the claim, and releases it. */
async function work({ use }: Agent): Promise<void> {
  let since = 0;
  for (const finished = new Set<string>(); finished.size < CITIES.length; ) {
    // Returns at once what exists, and later what is new.
    const waited = await use("memx_wait", { patterns: [`${team}:tasks`], since });
    since = waited.revision as number;
    const tasks = (waited.changes as { value: string[] }[]).at(-1)?.value ?? [];
    for (const city of tasks.filter((task) => !finished.has(task))) {
      const key = `${team}:lease:${city}`;
      const { claimed, token } = await use("memx_claim", { key, holder: "worker", seconds: 30 });
      if (!claimed) continue;
      const value = { city, letters: city.length };
      await use("memx_set", { key: `${team}:result:${city}`, value, expect: 0, holding: { key, token } });
      await use("memx_release", { key, token });
      finished.add(city);
    }
  }
}

async function connect(name: string): Promise<Agent> {
  const client = new Client({ name, version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { "x-api-key": apiKey } } }));
  return {
    name,
    async use(tool, args) {
      const { structuredContent, content, isError } = await client.callTool({ name: tool, arguments: args });
      console.log(`${name.padEnd(8)}${tool.padEnd(14)}${short(args)} -> ${short(structuredContent ?? content)}`);
      if (isError) throw new Error(JSON.stringify(content));
      return structuredContent as Result;
    },
    close: () => client.close(),
  };
}

function short(value: unknown): string {
  const text = JSON.stringify(value).replaceAll(`${team}:`, "");
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
