// The long poll: changes for clients that can only send requests.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { type Agent, createAgent, setOperation, setOperations } from "../support/agent.ts";
import { problem, request } from "../support/client.ts";
import type { Event } from "../support/subscriber.ts";

type Page = { readonly changes: readonly Event[]; readonly revision: number; readonly reset: boolean };

async function poll(agent: Agent, query: string): Promise<Page> {
  const response = await agent.fetch(`/changes?pattern=*&${query}`);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

describe("a poll", () => {
  it("returns at once the changes after since, in order and in the texts of the feed", async () => {
    const agent = createAgent();
    const witness = await agent.connect("/watch?pattern=a*");
    const { revision } = await agent.set("a", 1);
    await agent.setText("a", '{"n":9007199254740993,\n"f":1.0}');
    await agent.set("b", "does not match");
    await agent.set("ab", "last");
    const last = await agent.set("c", "nor does this");
    await witness.take(4);
    const response = await agent.fetch(`/changes?pattern=a*&since=${revision}`);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const changes = witness.texts.slice(2).join(",");
    expect(await response.text()).toBe(`{"changes":[${changes}],"revision":${last.revision},"reset":false}`);
  });

  it("takes several patterns, and returns the kinds of change that event selects", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", 1);
    await agent.setSchema("a", true);
    await agent.set("b", 2);
    const ask = async (query: string) => {
      const response = await agent.fetch(`/changes?since=${revision}&wait=0&${query}`);
      return ((await response.json()) as Page).changes.map(({ event, key }) => `${event} ${key}`);
    };
    expect(await ask("pattern=a&pattern=b")).toEqual(["value b"]);
    expect(await ask("pattern=a&pattern=b&event=all")).toEqual(["schema a", "value b"]);
    expect(await ask("pattern=a&event=schema")).toEqual(["schema a"]);
  });

  it("waits for the next change and returns it", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", 1);
    const waiting = poll(agent, `since=${revision}`);
    await expect.poll(() => agent.sockets()).toBe(1);
    const next = await agent.set("b", 2);
    expect(await waiting).toEqual({
      changes: [expect.objectContaining({ key: "b", value: 2, revision: next.revision })],
      revision: next.revision,
      reset: false,
    });
  });

  it("keeps waiting when a change does not match or must not be read", async () => {
    const agent = createAgent();
    const guest = createAgent({ namespace: agent.namespace, read: [`${agent.namespace}:public*`] });
    const { revision } = await agent.set("public", 1);
    const waiting = poll(guest, `since=${revision}`);
    await expect.poll(() => agent.sockets()).toBe(1);
    await agent.set("private", 2);
    await agent.set("public", 3);
    expect(await waiting).toMatchObject({ changes: [{ key: "public", value: 3 }], revision: revision + 2 });
  });

  it("with wait=0 and no new change returns at once, with the revision to resume from", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", 1);
    expect(await poll(agent, `since=${revision}&wait=0`)).toEqual({ changes: [], revision, reset: false });
  });

  it("of an empty namespace returns a revision to resume from", async () => {
    const agent = createAgent();
    const { changes, revision, reset } = await poll(agent, "since=0&wait=0");
    expect([changes, reset]).toEqual([[], false]);
    await agent.set("a", 1);
    const next = await poll(agent, `since=${revision}&wait=0`);
    expect(next).toMatchObject({ changes: [{ value: 1, previous: 0 }], reset: false });
  });

  it("without since waits for the next change, and returns none from before", async () => {
    const agent = createAgent();
    await agent.set("a", "before");
    const waiting = poll(agent, "wait=20");
    await expect.poll(() => agent.sockets()).toBe(1);
    const next = await agent.set("b", "after");
    expect(await waiting).toEqual({
      changes: [expect.objectContaining({ key: "b", value: "after", revision: next.revision })],
      revision: next.revision,
      reset: false,
    });
  });

  it("without since and with wait=0 returns the revision to resume from, and misses nothing after it", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", "before");
    const now = await poll(agent, "wait=0");
    expect(now).toEqual({ changes: [], revision, reset: false });
    await agent.set("a", "after");
    expect(await poll(agent, `since=${now.revision}&wait=0`)).toMatchObject({ changes: [{ value: "after" }] });
  });

  it("without a change returns when its wait is over, and frees its socket", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", 1);
    const began = Date.now();
    expect(await poll(agent, `since=${revision}&wait=1`)).toEqual({ changes: [], revision, reset: false });
    expect(Date.now() - began).toBeGreaterThanOrEqual(950);
    await expect.poll(() => agent.sockets()).toBe(0);
  });

  it("frees its socket when it has returned", async () => {
    const agent = createAgent();
    await agent.set("a", 1);
    await poll(agent, "since=0");
    await expect.poll(() => agent.sockets()).toBe(0);
  });

  it("frees its socket when its client leaves while it waits", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", 1);
    const response = await agent.fetch(`/changes?pattern=*&since=${revision}`);
    await expect.poll(() => agent.sockets()).toBe(1);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await expect.poll(() => agent.sockets()).toBe(0);
  });

  it("from before the start of the log returns a snapshot and reset: true", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", "stored");
    await agent.writeUnannounced(...setOperations("b", LIMITS.logLength + 1));
    const head = revision + LIMITS.logLength + 1;
    const page = await poll(agent, `since=${revision}`);
    expect(page).toMatchObject({
      changes: [
        { key: "a", value: "stored", revision, previous: 0 },
        { key: "b", value: LIMITS.logLength, revision: head, previous: 0 },
      ],
      revision: head,
      reset: true,
    });
    expect(page.changes).toHaveLength(2);
  });

  it("from ahead of the store returns reset: true", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", 1);
    const page = await poll(agent, `since=${revision + 5}&wait=0`);
    expect(page).toMatchObject({ changes: [{ value: 1, previous: 0 }], revision, reset: true });
  });

  it("with since=0 returns a snapshot of several store pages, without reset", async () => {
    const agent = createAgent();
    await agent.writeUnannounced(...Array.from({ length: 800 }, (_, n) => setOperation(`k${n}`, n)));
    const { changes, reset } = await poll(agent, "since=0");
    expect(new Set(changes.map(({ key }) => key)).size).toBe(800);
    expect([changes.length, reset]).toEqual([800, false]);
  });
});

it("a loop of polls misses and repeats no change while ten writers write", async () => {
  const agent = createAgent();
  const [writers, writes] = [10, 20];
  const write = async (writer: number) => {
    for (let n = 0; n < writes; n++) await agent.set(`${writer}:${n}`, n);
  };
  const written = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const keys: string[] = [];
  for (let since = 0; keys.length < writers * writes; ) {
    const { changes, revision, reset } = await poll(agent, `since=${since}&wait=5`);
    expect(changes.length).toBeGreaterThan(0);
    expect(reset).toBe(false);
    expect(revision).toBeGreaterThanOrEqual(Math.max(...changes.map((change) => change.revision)));
    keys.push(...changes.map(({ key }) => key));
    since = revision;
  }
  await written;
  expect(new Set(keys).size).toBe(writers * writes);
  expect(keys).toHaveLength(writers * writes);
});

describe("a poll with", () => {
  it.each([
    ["no pattern", "/changes?since=0"],
    ["an empty pattern", "/changes?pattern=&since=0"],
    ["an empty since", "/changes?pattern=*&since="],
    ["a bad since", "/changes?pattern=*&since=-1"],
    ["a since that is not a number", "/changes?pattern=*&since=abc"],
    ["a wait that is too long", "/changes?pattern=*&since=0&wait=26"],
    ["a negative wait", "/changes?pattern=*&since=0&wait=-1"],
    ["a wait that is not whole", "/changes?pattern=*&since=0&wait=1.5"],
    ["an empty wait", "/changes?pattern=*&since=0&wait="],
    ["an unknown event", "/changes?pattern=*&since=0&event=nope"],
    ["an unknown parameter", "/changes?pattern=*&since=0&key=a"],
    ["too many patterns", `/changes?since=0${"&pattern=a".repeat(LIMITS.maxPatterns + 1)}`],
  ])("%s is refused", async (_, path) => {
    await problem(await request("GET", path), "invalid_request");
  });

  it("no API key, or an unknown one, is refused", async () => {
    const path = "/changes?pattern=*&since=0&wait=0";
    await problem(await request("GET", path, { apiKey: null }), "missing_api_key");
    await problem(await request("GET", path, { apiKey: "nobody" }), "invalid_api_key");
  });

  it("another method than GET is refused", async () => {
    await problem(await request("POST", "/changes?pattern=*&since=0"), "method_not_allowed");
  });
});
