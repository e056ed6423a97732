// The listing of keys.

import { describe, expect, it } from "vitest";
import { type Agent, createAgent } from "../support/agent.ts";
import { answer, post, problem, request, set, setSchema } from "../support/client.ts";

type Listed = { keys: { key: string; ts: number; revision: number; value?: unknown }[]; cursor: string | null };

const list = async (agent: Agent, query = ""): Promise<Listed> => {
  const response = await agent.send(`/keys${query}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
};
const names = ({ keys }: Listed) => keys.map(({ key }) => key);

async function listAll(agent: Agent, query: string): Promise<{ keys: string[]; pages: number }> {
  const keys: string[] = [];
  for (let pages = 1, cursor = ""; ; pages++) {
    const page = await list(agent, `${query}${cursor}`);
    keys.push(...names(page));
    if (page.cursor === null) return { keys, pages };
    cursor = `&cursor=${page.cursor}`;
  }
}

describe("a listing", () => {
  it("has the keys that hold a value, in the order of their bytes, with values where they are asked for", async () => {
    const agent = createAgent();
    const a = await agent.setText("a", "[1.0]");
    await agent.setSchema("only a schema", true);
    const b = await agent.set("ä", null);
    const c = await agent.set("\uffff", 1);
    await agent.set("😀", 2);
    await agent.writeUnannounced({ op: "delete", key: "😀" });
    const listed = await list(agent);
    expect(listed).toEqual({
      keys: [
        { key: "a", ts: a.ts, revision: a.revision },
        { key: "ä", ts: b.ts, revision: b.revision },
        { key: "\uffff", ts: c.ts, revision: c.revision },
      ],
      cursor: null,
    });
    const response = await agent.send("/keys?values=true&prefix=a");
    expect(await response.text()).toBe(
      `{"keys":[{"key":"a","ts":${a.ts},"revision":${a.revision},"value":[1.0],"created":${a.ts}}],"cursor":null}`,
    );
  });

  it("comes page by page, each key once, whatever is written between", async () => {
    const agent = createAgent();
    const keys = Array.from({ length: 25 }, (_, n) => `task:${String(n).padStart(2, "0")}`);
    for (const key of ["a", "task", ...keys, "task;", "z"]) await agent.set(key, key);
    const first = await list(agent, "?prefix=task:&limit=10");
    expect(names(first)).toEqual(keys.slice(0, 10));
    await agent.writeUnannounced({ op: "delete", key: "task:09" }, { op: "delete", key: "task:12" });
    const second = await list(agent, `?prefix=task:&limit=10&cursor=${first.cursor}`);
    expect([...names(second)]).toEqual(keys.slice(10, names(second).length + 11).filter((key) => key !== "task:12"));
    const { keys: all } = await listAll(agent, "?prefix=task:&limit=10");
    expect(all).toEqual(keys.filter((key) => key !== "task:09" && key !== "task:12"));
  });

  it("has only what the API key may read, and goes on to find it", async () => {
    const writer = createAgent();
    const operations = Array.from({ length: 1_500 }, (_, n) => ({
      op: "set" as const,
      key: `${n % 500 === 499 ? "mine" : "theirs"}:${n}`,
      value: "1",
      schemaRevision: 0,
    }));
    for (let n = 0; n < operations.length; n += 500) await writer.writeUnannounced(...operations.slice(n, n + 500));
    const { namespace } = writer;
    const reader = createAgent({ namespace, read: [`${namespace}:mine:*`, `${namespace}:theirs:998`] });
    const { keys, pages } = await listAll(reader, "?limit=2");
    expect(keys).toEqual(["mine:1499", "mine:499", "mine:999", "theirs:998"]);
    expect(pages).toBeLessThanOrEqual(3);
    expect(await listAll(createAgent({ namespace, read: [] }), "?limit=100")).toMatchObject({ keys: [] });
  });

  it("leaves out what has expired, at once", async () => {
    const agent = createAgent();
    await agent.set("stays", 1);
    await agent.writeUnannounced({ op: "set", key: "gone", value: "1", schemaRevision: 0, ttl: 0.001 });
    await scheduler.wait(5);
    expect(names(await list(agent))).toEqual(["stays"]);
  });

  it.each(["limit=0", "limit=1001", "values=1", "cursor=%25%25", "cursor=", "prefix=a&cursor=Yg", "order=desc"])(
    "is refused with %s",
    async (query) => {
      await problem(await request("GET", `/keys?${query}`), "invalid_request");
    },
  );

  it("needs an API key", async () => {
    await problem(await request("GET", "/keys", { apiKey: null }), "missing_api_key");
  });
});

it("lists a key again once its value has come back", async () => {
  const prefix = `back:${crypto.randomUUID()}`;
  await setSchema(prefix, true);
  const listed = async () => (await answer<Listed>(request("GET", `/keys?prefix=${prefix}`))).keys.length;
  expect(await listed()).toBe(0);
  await set(prefix, 1);
  expect(await listed()).toBe(1);
  await post("/delete", { key: prefix });
  expect(await listed()).toBe(0);
});
