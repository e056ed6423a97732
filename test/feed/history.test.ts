// The history of a key: its changes, page by page, as far back as the log reaches.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { type Agent, createAgent, setOperations } from "../support/agent.ts";
import { freshKey, problem, request } from "../support/client.ts";
import type { Event } from "../support/subscriber.ts";

type Page = { readonly changes: readonly Event[]; readonly cursor: number | null };

const pathOf = (key: string, query = "") => `/history?key=${encodeURIComponent(key)}${query}`;

async function page(agent: Agent, key: string, query = ""): Promise<Page> {
  const response = await agent.fetch(pathOf(key, query));
  expect(response.headers.get("content-type")).toBe("application/json");
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

/** Reads every page, by following the cursors. */
async function pages(agent: Agent, key: string, query = ""): Promise<Page[]> {
  const all = [await page(agent, key, query)];
  for (;;) {
    const cursor = all.at(-1)?.cursor;
    if (cursor == null) return all;
    expect(all.length).toBeLessThan(100);
    all.push(await page(agent, key, `${query}&before=${cursor}`));
  }
}

describe("the history of a key", () => {
  it("has its changes of values and schemas, newest first, in the texts of the feed", async () => {
    const agent = createAgent();
    const key = freshKey();
    const witness = await agent.connect(`/subscribe/${key}?event=all`);
    await agent.set(key, 1);
    await agent.setSchema(key, { type: ["number", "object"] });
    await agent.set("another", 1);
    await agent.setText(key, '{"n":9007199254740993, "f":1.0,\n"s":"\\u2028"}');
    await agent.writeUnannounced({ op: "delete", key }, { op: "schema_delete", key });
    await agent.set(key, "last");
    await witness.take(7);
    const changes = witness.texts.slice(1).reverse().join(",");
    const response = await agent.fetch(pathOf(key));
    expect(await response.text()).toBe(`{"changes":[${changes}],"cursor":null}`);
  });

  it("is empty for a key that was never written, with and without a subscriber", async () => {
    const agent = createAgent();
    const nothing = { changes: [], cursor: null };
    expect(await page(agent, "unknown")).toEqual(nothing);
    await agent.set("another", 1);
    await agent.connect("/subscribe/watched");
    expect(await page(agent, "watched")).toEqual(nothing);
  });

  it.each([1, 3, 7, 10, 11])("can be read to its end in pages of %d", async (limit) => {
    const agent = createAgent();
    const key = freshKey();
    const [first] = await agent.writeUnannounced(...setOperations(key, 10));
    const all = await pages(agent, key, `&limit=${limit}`);
    expect(all.every(({ changes }) => changes.length <= limit)).toBe(true);
    expect(all[0]?.changes).toHaveLength(Math.min(limit, 10));
    expect(all.flatMap(({ changes }) => changes).map(({ value }) => value)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expect(all.at(-1)?.changes.at(-1)?.revision).toBe(first?.change.revision);
    expect(all).toHaveLength(Math.ceil(10 / limit));
  });

  it("has 100 changes without a limit, and up to 1,000 with one", async () => {
    const agent = createAgent();
    const key = freshKey();
    await agent.writeUnannounced(...setOperations(key, LIMITS.maxHistory));
    expect((await page(agent, key)).changes).toHaveLength(100);
    const all = await page(agent, key, `&limit=${LIMITS.maxHistory}`);
    expect(all.changes.map(({ value }) => value)).toEqual([...Array(LIMITS.maxHistory).keys()].reverse());
    expect(all.cursor).toBeNull();
  });

  it("begins before the given revision, and continues correctly while others write", async () => {
    const agent = createAgent();
    const key = freshKey();
    await agent.writeUnannounced(...setOperations(key, 6));
    const { changes, cursor } = await page(agent, key, "&limit=3");
    expect(cursor).toBe(changes.at(-1)?.revision);
    await agent.set(key, "new");
    expect((await page(agent, key, `&before=${cursor}`)).changes.map(({ value }) => value)).toEqual([2, 1, 0]);
    expect((await page(agent, key, "&before=1")).changes).toEqual([]);
  });

  it("ends where the log ends, with a last page without a cursor", async () => {
    const agent = createAgent();
    const key = freshKey();
    await agent.writeUnannounced(...setOperations(key, 5));
    await agent.writeUnannounced(...setOperations("busy", LIMITS.logLength - 2));
    const all = await pages(agent, key);
    expect(all.flatMap(({ changes }) => changes).map(({ value }) => value)).toEqual([4, 3]);
    expect(all.at(-1)?.cursor).toBeNull();
    await agent.writeUnannounced(...setOperations("busy", 2));
    expect((await pages(agent, key)).flatMap(({ changes }) => changes)).toEqual([]);
  });

  it("of large values comes in small pages, and completely", async () => {
    const agent = createAgent();
    const key = freshKey();
    const value = "x".repeat(LIMITS.maxValueBytes - 10);
    for (let n = 0; n < 20; n++) await agent.set(key, value + n);
    const all = await pages(agent, key);
    expect(all.length).toBeGreaterThan(1);
    const ends = all.flatMap(({ changes }) => changes).map((change) => String(change.value).slice(value.length));
    expect(ends).toEqual(Array.from({ length: 20 }, (_, n) => String(19 - n)));
  });

  it("has only changes of its own namespace", async () => {
    const [here, there] = [createAgent(), createAgent()];
    await there.set("a", "there");
    expect(await page(here, "a")).toEqual({ changes: [], cursor: null });
    expect(await page(here, `${there.namespace}:a`)).toEqual({ changes: [], cursor: null });
    await here.set("a", "here");
    expect(await page(here, "a")).toMatchObject({ changes: [{ key: "a", value: "here", previous: 0 }] });
    expect(await page(there, "a")).toMatchObject({ changes: [{ key: "a", value: "there" }] });
  });

  it("is only for API keys that may read the key", async () => {
    const agent = createAgent();
    const guest = createAgent({ namespace: agent.namespace, read: [`${agent.namespace}:public`] });
    await agent.set("public", 1);
    expect((await page(guest, "public")).changes).toHaveLength(1);
    await problem(await guest.fetch(pathOf("private")), "forbidden");
    await problem(await request("GET", pathOf("a"), { apiKey: null }), "missing_api_key");
    await problem(await request("GET", pathOf("a"), { apiKey: "nobody" }), "invalid_api_key");
    await problem(await request("GET", pathOf("a"), { apiKey: "agent_key_1" }), "forbidden");
  });
});

it.each([
  "/history",
  "/history?key=",
  pathOf("a", "&limit=0"),
  pathOf("a", "&limit=1001"),
  pathOf("a", "&limit=-1"),
  pathOf("a", "&limit=abc"),
  pathOf("a", "&limit=1&limit=2"),
  pathOf("a", "&before=0"),
  pathOf("a", "&before=abc"),
  pathOf("a", "&cursor=1"),
])("GET %s is refused", async (path) => {
  await problem(await request("GET", path), "invalid_request");
});
