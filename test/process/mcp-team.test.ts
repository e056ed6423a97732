// Many agents at once over MCP, on the deployed bundle on workerd: no lost increment, no task done twice. A long run makes
// the run on Redis, which is slow when all patch one key, as long as the other.

import { describe, expect, it } from "vitest";
import { isLong } from "../support/long-runs.ts";
import { startBridgedRedis } from "./support/bridged-redis.ts";
import { connectMcp, type McpClient, use } from "./support/mcp-clients.ts";
import { startWorkerd } from "./support/workerd.ts";

const connect = (url: string, count: number) => Promise.all(Array.from({ length: count }, () => connectMcp(url)));

/** Sums up what succeeded. memX gives up on a patch when too many agents patch the key; the agent tries again. */
async function increment(client: McpClient, key: string): Promise<void> {
  for (;;) {
    const { isError, content } = await client.callTool({ name: "memx_increment", arguments: { key, by: 1 } });
    if (!isError) return;
    expect(JSON.stringify(content)).toMatch(/"conflict: /);
  }
}

const TIMES = isLong ? 100 : 20;

describe.each([
  ["embedded", async () => ({})],
  ["redis", startBridgedRedis],
] as const)("on %s", (_, settings) => {
  it(`32 clients that increment a counter ${TIMES} times each lose none`, {
    tags: ["long"],
    timeout: 600_000,
  }, async () => {
    const { url } = await startWorkerd({ bindings: await settings() });
    const clients = await connect(url, 32);
    await Promise.all(
      clients.map(async (client) => {
        for (let n = 0; n < TIMES; n++) await increment(client, "counter");
      }),
    );
    expect(await use(clients[0] as McpClient, "memx_get", { key: "counter" })).toMatchObject({ value: 32 * TIMES });
  });

  it("20 clients that claim 50 tasks do each of them once", { timeout: 600_000 }, async () => {
    // Claims and releases must not push the results out of the log.
    const { url } = await startWorkerd({ bindings: { ...(await settings()), LOG_LENGTH: "10000" } });
    const clients = await connect(url, 20);
    const tasks = Array.from({ length: 50 }, (_, n) => `task:${n}`);
    const [first] = clients as [McpClient];
    for (const task of tasks) await use(first, "memx_set", { key: task, value: "to do" });
    const done = await Promise.all(clients.map((client, n) => work(client, `agent ${n}`, tasks)));
    expect(done.flat().toSorted()).toEqual(tasks.toSorted());
    const { keys } = await use(first, "memx_list", { prefix: "result:", limit: 200 });
    expect(keys).toHaveLength(tasks.length);
    for (const { key } of keys) expect((await use(first, "memx_history", { key })).changes, key).toHaveLength(1);
  });
});

/** Claims every task that has no result, and writes the result while it holds the claim. Returns what it did. */
async function work(client: McpClient, holder: string, tasks: readonly string[]): Promise<string[]> {
  const done: string[] = [];
  for (const task of tasks) {
    const lease = `${task}:lease`;
    const { claimed, token } = await use(client, "memx_claim", { key: lease, holder, seconds: 3600 });
    if (!claimed) continue;
    const result = `result:${task}`;
    // Another agent may have done it and released the claim.
    if (!(await use(client, "memx_get", { key: result })).found) {
      await use(client, "memx_set", { key: result, value: holder, expect: 0, holding: { key: lease, token } });
      done.push(task);
    }
    await use(client, "memx_release", { key: lease, token });
  }
  return done;
}
