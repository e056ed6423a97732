// What a subscriber that joins makes the store read: only what it wants and may read, and once for all that come together.

import { afterEach, describe, expect, it, vi } from "vitest";
import { type Agent, createAgent } from "../support/agent.ts";
import { problem } from "../support/client.ts";
import { countReads } from "../support/count-reads.ts";
import { grant } from "../support/grant.ts";

afterEach(() => void vi.restoreAllMocks());

const JOINS = 40;
const VALUES = 10;
/** About 2 MB together. */
const value = "x".repeat(200_000);

/** A namespace with large values, and a watcher that keeps its log from being read for anything else. */
async function fill(agent: Agent): Promise<{ first: number; last: number }> {
  const revisions: number[] = [];
  for (let n = 0; n < VALUES; n++) revisions.push((await agent.set(`large:${n}`, value)).revision);
  return { first: revisions[0] as number, last: revisions.at(-1) as number };
}

const poll = async (agent: Agent, query: string) => {
  const response = await agent.send(`/changes?wait=0&${query}`);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as { changes: { key: string }[]; reset: boolean };
};

const pollTogether = (agent: Agent, query: string) =>
  Promise.all(Array.from({ length: JOINS }, () => poll(agent, query)));

describe("joins that want nothing of what is stored", () => {
  it.each([
    ["a snapshot", () => "since=0"],
    ["what came after a revision", ({ first }: { first: number }) => `since=${first}`],
    ["what comes after a revision of the future", ({ last }: { last: number }) => `since=${last + 1_000_000}`],
  ])("read no value for %s", async (_, since) => {
    const agent = createAgent();
    const revisions = await fill(agent);
    const read = countReads();
    for (const { changes } of await pollTogether(agent, `pattern=other:*&${since(revisions)}`)) {
      expect(changes).toEqual([]);
    }
    expect(read.calls.length).toBeGreaterThan(0);
    expect(read.chars).toBeLessThan(value.length);
  });

  it("read no value if they want schemas", async () => {
    const agent = createAgent();
    await fill(agent);
    const read = countReads();
    expect((await poll(agent, "pattern=*&event=schema&since=0")).changes).toEqual([]);
    expect(read.chars).toBeLessThan(value.length);
  });

  it("read no value that the API key must not read, and are refused if it may read none that they name", async () => {
    const agent = createAgent();
    const { first } = await fill(agent);
    const apiKey = crypto.randomUUID();
    grant({ [apiKey]: { read: [`${agent.namespace}:small:*`], write: [], user_id: agent.namespace } });
    const reader = createAgent({ namespace: agent.namespace, apiKey, read: [`${agent.namespace}:small:*`] });
    const read = countReads();
    for (const since of [0, first, first + 1_000_000]) {
      expect((await poll(reader, `pattern=*&since=${since}`)).changes).toEqual([]);
      await problem(await reader.send(`/changes?pattern=large:*&wait=0&since=${since}`), "forbidden");
      const watch = `/watch?pattern=large:*&since=${since}`;
      await problem(await reader.send(watch, { headers: { accept: "text/event-stream" } }), "forbidden");
      expect((await (await reader.connect(watch)).closed).code).toBe(4403);
    }
    expect(read.chars).toBeLessThan(value.length);
  });
});

describe("joins that come together", () => {
  it.each([
    ["a snapshot", "pattern=large:*&since=0", () => ""],
    ["a part of the log", "pattern=large:*", ({ first }: { first: number }) => `&since=${first - 1}`],
    ["a reset", "pattern=large:*", ({ last }: { last: number }) => `&since=${last + 1_000_000}`],
  ])("share %s", async (_, query, since) => {
    const agent = createAgent();
    const revisions = await fill(agent);
    const read = countReads();
    for (const { changes } of await pollTogether(agent, query + since(revisions))) {
      expect(changes).toHaveLength(VALUES);
    }
    // The first one reads alone, and the others share what is read after they have come.
    expect(read.chars).toBeLessThan(4 * VALUES * value.length);
  });

  it("share the value of one key", async () => {
    const agent = createAgent();
    await agent.set("a", value);
    const read = countReads();
    const clients = await Promise.all(Array.from({ length: JOINS }, () => agent.connect("/subscribe/a?since=0")));
    for (const client of clients) expect(await client.takeUntilReady()).toHaveLength(2);
    expect(read.chars).toBeLessThan(4 * value.length);
  });

  it("but after a change get it, too", async () => {
    const agent = createAgent();
    await fill(agent);
    const clients = [];
    for (let n = 0; n < 10; n++) {
      await agent.set("large:0", n);
      clients.push([n, await agent.connect("/watch?pattern=large:0&since=0")] as const);
    }
    // In the snapshot, or live after it if a later set has replaced it meanwhile.
    for (const [n, client] of clients) await client.takeUntil(({ value }) => typeof value === "number" && value >= n);
  });
});
