// The official clients run every tool of /mcp, on the deployed bundle on workerd, embedded and on a real Redis.

import { Tiktoken } from "js-tiktoken/lite";
import o200k from "js-tiktoken/ranks/o200k_base";
import { describe, expect, it } from "vitest";
import definitions from "../../sdk/tools.json" with { type: "json" };
import { startBridgedRedis } from "./support/bridged-redis.ts";
import { CLIENT_VERSIONS, connectMcp, type McpClient, use } from "./support/mcp-clients.ts";
import { startWorkerd } from "./support/workerd.ts";

const ENGINES = [
  ["embedded", async () => ({})],
  ["redis", startBridgedRedis],
] as const;

describe.each(ENGINES)("on %s", (_, settings) => {
  it.each(CLIENT_VERSIONS)("the client of version %s runs every tool, resource and prompt", async (version) => {
    const { url } = await startWorkerd({ bindings: await settings() });
    const client = await connectMcp(url, version);
    expect(client.getServerVersion()).toMatchObject({ name: "memx" });
    expect(client.getInstructions()).toBe(definitions.instructions);

    // From here on, the client checks each result against the output schema of its tool.
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(definitions.tools.map(({ name }) => name));
    const used = new Set<string>();
    const call = (name: string, args: Record<string, unknown>) => {
      used.add(name);
      return use(client, name, args);
    };

    const { revision } = await call("memx_set", { key: "plan", value: { steps: [1] }, expect: 0 });
    expect(await call("memx_get", { key: "plan" })).toMatchObject({ found: true, value: { steps: [1] }, revision });
    expect(await call("memx_get", { key: "plan", path: "/steps/0" })).toMatchObject({ value: 1 });
    expect(await call("memx_merge", { key: "plan", changes: { by: "a" } })).toMatchObject({ value: { by: "a" } });
    expect((await call("memx_append", { key: "plan", path: "/steps", items: [2] })).value.steps).toEqual([1, 2]);
    expect(await call("memx_increment", { key: "plan", path: "/count", by: 2 })).toMatchObject({ value: 2 });
    expect(await call("memx_list", { values: true })).toMatchObject({ keys: [{ key: "plan" }], cursor: null });
    expect((await call("memx_history", { key: "plan" })).changes).toHaveLength(4);
    expect(await call("memx_schema", { key: "plan" })).toEqual({ found: false });
    const { token } = await call("memx_claim", { key: "plan:lease", holder: "a" });
    expect(await call("memx_claim", { key: "plan:lease", holder: "b" })).toMatchObject({ claimed: false, holder: "a" });
    await call("memx_set", { key: "done", value: true, holding: { key: "plan:lease", token } });
    expect(await call("memx_release", { key: "plan:lease", token })).toEqual({ released: true });
    const waited = await call("memx_wait", { patterns: ["done"], since: revision });
    expect(waited.changes).toMatchObject([{ key: "done", value: true }]);
    expect(await call("memx_delete", { key: "done" })).toMatchObject({ deleted: true });
    expect([...used].toSorted()).toEqual(definitions.tools.map(({ name }) => name).toSorted());

    await failures(client);
    await resourcesAndPrompts(client);
  });

  it("a waiting agent is woken by writes of every kind of client", async () => {
    const { url } = await startWorkerd({ bindings: await settings() });
    const writers = await Promise.all(CLIENT_VERSIONS.map((version) => connectMcp(url, version)));
    const overHttp = async (key: string) => {
      const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
      await fetch(`${url}/set`, { method: "POST", headers, body: JSON.stringify({ key, value: 1 }) });
    };
    const writes = [...writers.map((writer) => (key: string) => use(writer, "memx_set", { key, value: 1 })), overHttp];
    for (const version of CLIENT_VERSIONS) {
      const waiter = await connectMcp(url, version);
      for (const [n, write] of writes.entries()) {
        const key = `${version}:${n}`;
        // From 0, because nothing tells a client when its wait has begun.
        const waiting = use(waiter, "memx_wait", { patterns: [key], since: 0, seconds: 25 });
        await write(key);
        expect((await waiting).changes, key).toMatchObject([{ key, value: 1 }]);
      }
    }
  });
});

async function failures(client: McpClient): Promise<void> {
  const conflict = await client.callTool({ name: "memx_set", arguments: { key: "plan", value: 1, expect: 0 } });
  expect(conflict).toMatchObject({ isError: true, content: [{ type: "text" }] });
  expect(JSON.stringify(conflict.content)).toMatch(/conflict: .*current: .*steps.*Next: /);
  const misspelt = await client.callTool({ name: "memx_get", arguments: { kye: "plan" } });
  expect(JSON.stringify(misspelt)).toMatch(/invalid_request: .*\/kye: Unknown field/);
  await expect(client.callTool({ name: "nothing", arguments: {} })).rejects.toMatchObject({ code: -32602 });
}

async function resourcesAndPrompts(client: McpClient): Promise<void> {
  const { resources } = await client.listResources();
  expect(resources).toMatchObject([{ uri: "memx://kv/plan", name: "plan", mimeType: "application/json" }]);
  const { contents } = await client.readResource({ uri: "memx://kv/plan" });
  expect(contents).toMatchObject([{ text: '{"steps":[1,2],"by":"a","count":2}' }]);
  const missing = client.readResource({ uri: "memx://kv/missing" });
  await expect(missing).rejects.toMatchObject({ code: -32602, data: { uri: "memx://kv/missing" } });
  expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(1);
  expect((await client.listPrompts()).prompts).toMatchObject([{ name: "join_team" }]);
  const { messages } = await client.getPrompt({ name: "join_team", arguments: { role: "writer" } });
  expect(JSON.stringify(messages)).toContain("Your role: writer.");
}

it.each(CLIENT_VERSIONS)("the client of version %s cannot connect without an API key", async (version) => {
  const { url } = await startWorkerd();
  await expect(connectMcp(url, version, {})).rejects.toThrow();
  await expect(connectMcp(url, version, { authorization: "Bearer local_dev_key" })).resolves.toBeDefined();
});

it("digits come back exactly in the text, which every client passes on as it is", async () => {
  const { url } = await startWorkerd();
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  const body = '{"key":"n","value":[9007199254740993,1.0]}';
  await fetch(`${url}/set`, { method: "POST", headers, body });
  for (const version of CLIENT_VERSIONS) {
    const { content } = await (await connectMcp(url, version)).callTool({ name: "memx_get", arguments: { key: "n" } });
    expect(JSON.stringify(content), version).toContain('\\"value\\":[9007199254740993,1.0]');
  }
});

it("the list of tools costs a model at most 3,000 tokens", async () => {
  const { url } = await startWorkerd();
  for (const version of CLIENT_VERSIONS) {
    const { tools } = await (await connectMcp(url, version)).listTools();
    expect(new Tiktoken(o200k).encode(JSON.stringify({ tools })).length, version).toBeLessThanOrEqual(3_000);
  }
});
