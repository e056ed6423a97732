// The listing of keys.

import { describe, expect, it } from "vitest";
import { type Agent, createAgent } from "../support/agent.ts";
import { answer, post, problem, request, set, setSchema } from "../support/client.ts";
import { grant } from "../support/grant.ts";
import { result, useTool } from "../support/mcp.ts";

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

  it("tells in its cursors no name that the API key may not read, and none that was deleted", async () => {
    const writer = createAgent();
    const { namespace } = writer;
    const secrets = Array.from({ length: 30 }, (_, n) => `secret:${"x".repeat(n * 9)}:${n}`);
    for (const key of ["a:1", ...secrets, "z:1"]) await writer.set(key, 1);
    await writer.setSchema("b:only-a-schema", true);
    for (const n of [1, 2, 3]) await writer.set(`b:deleted:${n}`, n);
    await writer.writeUnannounced(...[1, 2, 3].map((n) => ({ op: "delete" as const, key: `b:deleted:${n}` })));
    const reader = createAgent({ namespace, read: ["a:*", "b:*", "z:*"].map((glob) => `${namespace}:${glob}`) });
    const sealed = new Set<number>();
    const keys: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: Listed = await list(reader, `?limit=1${cursor && `&cursor=${cursor}`}`);
      keys.push(...names(page));
      cursor = page.cursor;
      if (cursor === null) break;
      if (cursor.startsWith(".")) sealed.add(cursor.length);
      else expect(names(page)).toEqual([atob(cursor)]);
      const bytes = atob(cursor.replace(".", "").replaceAll("-", "+").replaceAll("_", "/"));
      expect(bytes).not.toMatch(/secret|deleted|schema|xxx/);
    }
    expect(keys).toEqual(["a:1", "z:1"]);
    // However long the names are.
    expect(sealed.size).toBeLessThanOrEqual(1);
  });

  it("tells no such name through MCP either", async () => {
    const writer = createAgent();
    const { namespace } = writer;
    const operations = Array.from({ length: 600 }, (_, n) => ({
      op: "set" as const,
      key: n === 0 ? "a" : `secret:${n}`,
      value: "1",
      schemaRevision: 0,
    }));
    for (const n of [0, 300]) await writer.writeUnannounced(...operations.slice(n, n + 300));
    const apiKey = `reader-${namespace}`;
    grant({ [apiKey]: { read: [`${namespace}:a`, ...Array(255).fill("x*")], write: [], user_id: namespace } });
    const tool = await useTool("memx_list", { limit: 2 }, { apiKey });
    const { resources, nextCursor } = await result("resources/list", {}, { apiKey });
    expect([tool.keys.length, resources.length]).toEqual([1, 1]);
    // After 391 keys: the API key has 256 scopes.
    for (const cursor of [tool.cursor, nextCursor]) expect(cursor).toMatch(/^\.[\w-]+$/);
    const rest = await useTool("memx_list", { cursor: tool.cursor }, { apiKey });
    expect(rest).toEqual({ keys: [], cursor: null });
  });

  it("refuses the cursor of another namespace or prefix, and one that was changed", async () => {
    const writer = createAgent();
    const { namespace } = writer;
    for (let n = 0; n < 3; n++) await writer.set(`s:${n}`, n);
    await writer.writeUnannounced(
      { op: "delete", key: "s:0" },
      { op: "delete", key: "s:1" },
      { op: "delete", key: "s:2" },
    );
    await writer.set("s:3", 3);
    const reader = createAgent({ namespace, read: [] });
    const operations = Array.from({ length: 500 }, (_, n) => ({
      op: "set" as const,
      key: `s:${n}`,
      value: "1",
      schemaRevision: 0,
    }));
    for (let n = 0; n < 12; n++) {
      await writer.writeUnannounced(
        ...operations.map((operation) => ({ ...operation, key: `s:${n}:${operation.key}` })),
      );
    }
    const { cursor } = await list(reader, "?prefix=s:");
    expect(cursor).toMatch(/^\.[\w-]{700,800}$/);
    expect((await list(reader, `?prefix=s:&cursor=${cursor}`)).cursor).toBeNull();
    const changed = `${cursor?.slice(0, -2)}${cursor?.endsWith("AA") ? "BA" : "AA"}`;
    const attempts = [
      [reader, `?cursor=${cursor}`],
      [reader, `?prefix=s:&cursor=${changed}`],
      [reader, `?prefix=s:&cursor=${cursor?.slice(1)}`],
      [createAgent(), `?prefix=s:&cursor=${cursor}`],
    ] as const;
    for (const [agent, query] of attempts) await problem(await agent.send(`/keys${query}`), "invalid_request");
  });

  it("looks at fewer keys for a page the more scopes the API key has", async () => {
    const writer = createAgent();
    const { namespace } = writer;
    const operations = Array.from({ length: 1_200 }, (_, n) => ({
      op: "set" as const,
      key: `theirs:${n}`,
      value: "1",
      schemaRevision: 0,
    }));
    for (let n = 0; n < 1_200; n += 400) await writer.writeUnannounced(...operations.slice(n, n + 400));
    await writer.set("zzz", 1);
    const globs = Array.from({ length: 249 }, (_, n) => `*no${n}*`);
    const { keys, pages } = await listAll(
      createAgent({ namespace, read: [...globs, `${namespace}:z*`] }),
      "?limit=1000",
    );
    expect(keys).toEqual(["zzz"]);
    expect(pages).toBe(4);
  });

  it("reads values only from where a readable key is", async () => {
    const writer = createAgent();
    const { namespace } = writer;
    const operations = Array.from({ length: 40 }, (_, n) => ({
      op: "set" as const,
      key: `theirs:${n}`,
      value: JSON.stringify("x".repeat(1_000)),
      schemaRevision: 0,
    }));
    await writer.writeUnannounced(...operations);
    await writer.setText("you", "[1.0]");
    const reader = createAgent({ namespace, read: [`${namespace}:you`] });
    const { keys } = await list(reader, "?limit=10&values=true");
    expect(keys).toMatchObject([{ key: "you", value: [1] }]);
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
