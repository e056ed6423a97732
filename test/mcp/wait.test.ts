// memx_wait: an agent waits for another, and misses nothing.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { type Agent, createAgent } from "../support/agent.ts";
import { ERAS, failTool, type McpOptions, mcpRequest, useTool } from "../support/mcp.ts";

const waiting = (apiKey: string, args: object, options: McpOptions = {}) =>
  useTool("memx_wait", { patterns: ["*"], ...args }, { apiKey, ...options });

function createTeam() {
  const apiKey = `agent:${crypto.randomUUID()}`;
  return { apiKey, agent: createAgent({ apiKey }) };
}

const WAIT = '{"name":"memx_wait","arguments":{"patterns":["*"],"seconds":25}}';

const ACCEPT = "application/json, text/event-stream";

const untilSockets = (agent: Agent, count: number) => expect.poll(() => agent.sockets()).toBe(count);

describe("memx_wait", () => {
  it.each(ERAS)("returns the next change of a key that matches (%s)", async (era) => {
    const { apiKey, agent } = createTeam();
    const { revision } = await agent.set("other", 0);
    const waited = waiting(apiKey, { patterns: ["task:*:result", "x"], since: revision, seconds: 25 }, { era });
    await untilSockets(agent, 1);
    await agent.set("task:1", "does not match");
    const written = await agent.setText("task:1:result", '{"n":9007199254740993}');
    expect(await waited).toMatchObject({
      changes: [{ event: "value", action: "set", key: "task:1:result", revision: written.revision }],
      revision: written.revision,
      reset: false,
    });
    await untilSockets(agent, 0);
  });

  it("without `since` waits for what comes from now on", async () => {
    const { apiKey, agent } = createTeam();
    await agent.set("a", "before");
    const waited = waiting(apiKey, { seconds: 25 });
    await untilSockets(agent, 1);
    const { revision } = await agent.set("a", "after");
    expect(await waited).toMatchObject({ changes: [{ key: "a", value: "after" }], revision });
  });

  it("returns at once what changed after `since`, in order, so that nothing is missed between two waits", async () => {
    const { apiKey, agent } = createTeam();
    let { revision: since } = await agent.set("a", 0);
    const seen: unknown[] = [];
    for (let n = 1; n <= 6; n++) {
      await agent.set("a", n);
      if (n % 2 === 1) continue;
      const { changes, revision } = await waiting(apiKey, { since });
      seen.push(...changes.map(({ value }: { value: unknown }) => value));
      since = revision;
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("returns without changes when the time is over, with the revision to go on from", async () => {
    const { apiKey, agent } = createTeam();
    const { revision } = await agent.set("a", 1);
    expect(await waiting(apiKey, { since: revision, seconds: 1 })).toEqual({ changes: [], revision, reset: false });
    expect(await waiting(apiKey, { seconds: 1 })).toEqual({ changes: [], revision, reset: false });
  });

  it("with `since` 0 returns at once what exists, and waits if there is nothing", async () => {
    const { apiKey, agent } = createTeam();
    const waited = waiting(apiKey, { patterns: ["b"], since: 0, seconds: 25 });
    await untilSockets(agent, 1);
    await agent.set("a", 1);
    const { revision } = await agent.set("b", 2);
    expect(await waited).toMatchObject({ changes: [{ key: "b", value: 2 }], revision });
    expect(await waiting(apiKey, { patterns: ["b"], since: 0 })).toMatchObject({ changes: [{ key: "b" }], revision });
  });

  it("says that changes were lost, and returns what exists", async () => {
    const { apiKey, agent } = createTeam();
    const { revision } = await agent.set("a", 1);
    await agent.set("b", 2);
    expect(await waiting(apiKey, { since: revision - 1_000_000 })).toEqual({
      changes: [expect.objectContaining({ key: "a" }), expect.objectContaining({ key: "b" })],
      revision: revision + 1,
      reset: true,
    });
  });

  it("returns changes that do not fit into one result with the next ones", async () => {
    const { apiKey, agent } = createTeam();
    let { revision: since } = await agent.set("a", 0);
    const sizes = [20_000, 20_000, 5, 100_000, 7];
    for (const size of sizes) await agent.set("a", "x".repeat(size));
    const seen: unknown[][] = [];
    while (seen.flat().length < sizes.length) {
      const { changes, revision, note } = await waiting(apiKey, { since });
      expect(note).toBeUndefined();
      expect(revision).toBe(changes.at(-1).revision);
      seen.push(changes.map(({ value, bytes }: { value?: string; bytes?: number }) => bytes ?? value?.length));
      since = revision;
    }
    expect(seen).toEqual([[20_000], [20_000, 5], [100_002], [7]]);
  });

  it("says that there is more if what exists does not fit, and from where to wait", async () => {
    const { apiKey, agent } = createTeam();
    const size = LIMITS.maxToolResultBytes / 2;
    for (const key of ["a", "b", "c"]) await agent.set(key, "x".repeat(size));
    const { revision } = await agent.set("d", 1);
    const waited = await waiting(apiKey, { since: 0 });
    expect(waited).toMatchObject({ changes: [{ key: "a" }], revision, reset: false });
    expect(waited.note).toContain("memx_list");
  });

  it.each(ERAS)("ends when the agent no longer waits (%s)", async (era) => {
    const { agent } = createTeam();
    const { body, options } = mcpRequest("tools/call", WAIT, { era });
    const hangUp = new AbortController();
    const headers = { "content-type": "application/json", accept: ACCEPT, ...options.headers };
    const init: RequestInit = { method: "POST", headers, body, signal: hangUp.signal };
    const waited = agent.fetch("/mcp", init);
    await untilSockets(agent, 1);
    hangUp.abort();
    await untilSockets(agent, 0);
    await waited;
  });

  it("shows nothing that the API key must not read, not even that it changed", async () => {
    const { agent } = createTeam();
    const apiKey = `guest:${crypto.randomUUID()}`;
    createAgent({ apiKey, namespace: agent.namespace, read: [`${agent.namespace}:public*`] });
    const { revision } = await agent.set("public", 1);
    await agent.set("private", 2);
    await agent.set("public", 3);
    const { changes } = await waiting(apiKey, { since: revision });
    expect(changes).toMatchObject([{ key: "public", value: 3 }]);
    const snapshot = await waiting(apiKey, { since: 0 });
    expect(snapshot.changes.map(({ key }: { key: string }) => key)).toEqual(["public"]);
  });

  it("refuses patterns that are none, and too many of them", async () => {
    for (const patterns of [[], [""], [1], Array.from({ length: 17 }, () => "a"), ["x".repeat(513)]]) {
      expect(await failTool("memx_wait", { patterns }), JSON.stringify(patterns)).toContain("/patterns");
    }
  });
});
