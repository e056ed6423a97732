// memX's LangGraph store: what LangGraph's tests require of its own stores, without semantic search, and what memX adds.

import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { InvalidNamespaceError } from "@langchain/langgraph-checkpoint";
import { beforeEach, describe, expect, it } from "vitest";
import { MemxStore, type StoreEvent } from "../../sdk/typescript/adapters/langgraph.ts";
import { ConflictError, InvalidRequestError, type MemX, SchemaViolationError } from "../../sdk/typescript/index.ts";
import { connect, ENGINES, startEngine } from "./support/engines.ts";

describe.each(ENGINES)("on the %s store", (engine) => {
  let memx: MemX;
  let store: MemxStore;

  beforeEach(async () => {
    memx = connect(await startEngine(engine));
    store = new MemxStore(memx);
  });

  const keysOf = async (...args: Parameters<MemxStore["search"]>) =>
    (await store.search(...args)).map(({ namespace, key }) => [...namespace, key].join("/"));

  it("puts, gets, overwrites, and deletes an item", async () => {
    expect(await store.get(["docs"], "a")).toBeNull();
    await store.put(["docs"], "a", { title: "one", deep: { list: [1, "2", null] } });
    const first = await store.get(["docs"], "a");
    expect(first).toMatchObject({
      namespace: ["docs"],
      key: "a",
      value: { title: "one", deep: { list: [1, "2", null] } },
    });
    expect(first?.createdAt).toEqual(first?.updatedAt);
    await store.put(["docs"], "a", { title: "two" });
    const second = await store.get(["docs"], "a");
    expect(second?.value).toEqual({ title: "two" });
    expect(second?.createdAt).toEqual(first?.createdAt);
    expect(second?.updatedAt.getTime()).toBeGreaterThanOrEqual(first?.updatedAt.getTime() ?? Infinity);
    await store.delete(["docs"], "a");
    await store.delete(["docs"], "a");
    expect(await store.get(["docs"], "a")).toBeNull();
  });

  it("reads in a batch before it writes, and lets the last of several puts win", async () => {
    await store.put(["a"], "k", { n: 1 });
    const results = await store.batch([
      { namespace: ["a"], key: "k", value: { n: 2 } },
      { namespace: ["a"], key: "k" },
      { namespacePrefix: ["a"] },
      { namespace: ["a"], key: "k", value: { n: 3 } },
      { namespace: ["a"], key: "none" },
    ]);
    expect(results[0]).toBeUndefined();
    expect(results[1]).toMatchObject({ value: { n: 1 } });
    expect(results[2]).toMatchObject([{ value: { n: 1 } }]);
    expect(results[4]).toBeNull();
    expect((await store.get(["a"], "k"))?.value).toEqual({ n: 3 });
  });

  it("keeps labels apart that differ little", async () => {
    const namespaces = [
      ["a"],
      ["ab"],
      ["a", "b"],
      ["A"],
      ["a*"],
      ["a?"],
      ["[a]"],
      ["a/b"],
      ["a%2Fb"],
      ["ä"],
      ["a\u0308"],
      ["a\nb"],
    ];
    for (const [n, namespace] of namespaces.entries()) await store.put(namespace, "k", { n });
    for (const [n, namespace] of namespaces.entries()) {
      expect((await store.get(namespace, "k"))?.value).toEqual({ n });
      const expected = namespaces.filter((other) => namespace.every((label, at) => other[at] === label));
      expect((await store.search(namespace)).map((item) => item.namespace)).toEqual(expect.arrayContaining(expected));
      expect(await store.search(namespace)).toHaveLength(expected.length);
    }
    expect(await store.search([], { limit: 100 })).toHaveLength(namespaces.length);
  });

  it("filters by members, also with operators", async () => {
    const values = [{ n: 1, "a-b": "x" }, { n: 2.5, "a-b": "y" }, { n: 10, tag: "ü" }, { tag: null }];
    for (const [at, value] of values.entries()) await store.put(["f"], String(at), value);
    const found = async (filter: Record<string, unknown>) =>
      (await keysOf(["f"], { filter })).join(" ").replaceAll("f/", "");
    expect(await found({ n: 1 })).toBe("0");
    expect(await found({ "a-b": "y" })).toBe("1");
    expect(await found({ tag: "ü" })).toBe("2");
    expect(await found({ tag: null })).toBe("3");
    expect(await found({ n: { $gt: 1, $lt: 10 } })).toBe("1");
    expect(await found({ n: { $gte: "2.5" } })).toBe("1 2");
    expect(await found({ n: { $lte: 2.5 }, "a-b": { $ne: "x" } })).toBe("1");
    expect(await found({ n: { $eq: 10 } })).toBe("2");
    expect(await found({ n: { $in: [1, 10] } })).toBe("0 2");
    expect(await found({ n: { $nin: [1, 10] } })).toBe("1 3");
    expect(await found({ none: 1 })).toBe("");
  });

  it("pages through a search, 10 items by default", async () => {
    await store.batch(
      Array.from({ length: 25 }, (_, n) => ({ namespace: ["p"], key: `${n + 10}`, value: { even: n % 2 === 0 } })),
    );
    expect(await keysOf(["p"])).toEqual(Array.from({ length: 10 }, (_, n) => `p/${n + 10}`));
    expect(await keysOf(["p"], { limit: 3, offset: 23 })).toEqual(["p/33", "p/34"]);
    expect(await keysOf(["p"], { limit: 2, offset: 1, filter: { even: true } })).toEqual(["p/12", "p/14"]);
    expect(await keysOf(["p"], { limit: 0 })).toEqual([]);
    expect(await keysOf(["p"], { offset: 25 })).toEqual([]);
  });

  it("ignores a query, because it has no semantic search", async () => {
    await store.put(["q"], "1", { text: "one" }, ["text"]);
    await store.put(["q"], "2", { text: "two" }, false);
    expect(await keysOf(["q"], { query: "two" })).toEqual(["q/1", "q/2"]);
  });

  it("lists namespaces by prefix, suffix, wildcard, and depth", async () => {
    for (const path of ["a/b/c", "a/b/d/e", "a/b/d/i", "a/b/f", "a/c/f", "b/a/f", "users/123"])
      await store.put(path.split("/"), "k", { path });
    const list = async (options: Parameters<MemxStore["listNamespaces"]>[0]) =>
      (await store.listNamespaces(options)).map((labels) => labels.join("/"));
    expect(await list({})).toEqual(["a/b/c", "a/b/d/e", "a/b/d/i", "a/b/f", "a/c/f", "b/a/f", "users/123"]);
    expect(await list({ prefix: ["a", "b"] })).toEqual(["a/b/c", "a/b/d/e", "a/b/d/i", "a/b/f"]);
    expect(await list({ suffix: ["f"] })).toEqual(["a/b/f", "a/c/f", "b/a/f"]);
    expect(await list({ prefix: ["a"], suffix: ["f"] })).toEqual(["a/b/f", "a/c/f"]);
    expect(await list({ prefix: ["a", "*", "f"] })).toEqual(["a/b/f", "a/c/f"]);
    expect(await list({ prefix: ["*", "a"] })).toEqual(["b/a/f"]);
    expect(await list({ suffix: ["*", "f"] })).toEqual(["a/b/f", "a/c/f", "b/a/f"]);
    expect(await list({ prefix: ["a", "b"], maxDepth: 3 })).toEqual(["a/b/c", "a/b/d", "a/b/f"]);
    expect(await list({ maxDepth: 1, limit: 1, offset: 1 })).toEqual(["b"]);
    await store.delete(["users", "123"], "k");
    expect(await list({ prefix: ["users"] })).toEqual([]);
  });

  it("refuses namespaces, keys, and values that cannot be stored", async () => {
    for (const namespace of [[], ["a.b"], ["a:b"], [""], ["langgraph"]])
      await expect(store.put(namespace, "k", {}), JSON.stringify(namespace)).rejects.toThrow(InvalidNamespaceError);
    await expect(store.put(["a"], "k".repeat(600), {})).rejects.toThrow(InvalidRequestError);
    await expect(store.put(["a"], "k", [] as never)).rejects.toThrow(InvalidRequestError);
    await expect(store.update(["a"], "k", () => "text" as never)).rejects.toThrow(InvalidRequestError);
    expect(await store.listNamespaces()).toEqual([]);
  });

  it("writes 100 puts in one step: a schema violation changes nothing", async () => {
    await memx.setSchema("store/s/50", { type: "object", properties: { n: { type: "number" } } });
    const puts = (bad: unknown) =>
      Array.from({ length: 100 }, (_, n) => ({ namespace: ["s"], key: `${n}`, value: { n: n === 50 ? bad : n } }));
    await expect(store.batch(puts("fifty"))).rejects.toThrow(SchemaViolationError);
    expect(await keysOf(["s"], { limit: 100 })).toEqual([]);
    await store.batch(puts(50));
    expect(await keysOf(["s"], { limit: 1000 })).toHaveLength(100);
  });

  it("writes and reads batches of any size", async () => {
    const text = "x".repeat(200_000);
    const puts = Array.from({ length: 20 }, (_, n) => ({ namespace: ["big"], key: `${n}`, value: { n, text } }));
    await store.batch(puts);
    const many = Array.from({ length: 230 }, (_, n) => ({ namespace: ["many"], key: `${n}`, value: { n } }));
    await store.batch(many);
    const read = await store.batch(puts.map(({ namespace, key }) => ({ namespace, key })));
    expect(read.map((item) => item?.value)).toEqual(puts.map(({ value }) => value));
    expect(await store.search(["many"], { limit: 1000 })).toHaveLength(230);
    expect(await store.search(["big"], { limit: 1000 })).toHaveLength(20);
  });

  it("lets items expire, and starts their time again only if asked", async () => {
    const expiring = new MemxStore(memx, { ttl: { defaultTTL: 1 } });
    await expiring.put(["t"], "default", { n: 1 });
    await expiring.put(["t"], "own", { n: 1 }, { ttl: 10 });
    await expiring.update(["t"], "updated", () => ({ n: 1 }));
    await store.put(["t"], "none", { n: 1 });
    const entry = async (key: string) => {
      const found = await memx.get(`store/t/${key}`);
      return { left: found?.expires && Math.round(found.expires - found.ts), revision: found?.revision };
    };
    expect((await entry("default")).left).toBe(60);
    expect((await entry("own")).left).toBe(600);
    expect((await entry("updated")).left).toBe(60);
    const before = [await entry("none"), await entry("own")];
    await expiring.search(["t"]);
    expect([await entry("none"), await entry("own")]).toEqual(before);
    const refreshing = new MemxStore(memx, { ttl: { refreshOnRead: true } });
    await refreshing.get(["t"], "own");
    await refreshing.search(["t"]);
    const after = [await entry("none"), await entry("own")];
    expect(after[0]).toEqual(before[0]);
    expect(after[1]?.left).toBe(600);
    expect(after[1]?.revision).toBeGreaterThan(before[1]?.revision ?? Infinity);
  });

  it("shares its items with every other client, and passes over what is no item", async () => {
    await store.put(["team", "a/b"], "x:1", { n: 1 });
    expect((await memx.get("store/team/a%2Fb/x:1"))?.value).toEqual({ n: 1 });
    await memx.set("store/team/mcp", { n: 2 });
    await memx.set("store/team/text", "no object");
    await memx.set("store/team/100%", { n: 3 });
    await memx.set("store/team//x", { n: 3 });
    await memx.set("store/root", { n: 3 });
    expect(await keysOf([])).toEqual(["team/a/b/x:1", "team/mcp"]);
    expect(await store.get(["team"], "text")).toBeNull();
    expect(await store.listNamespaces()).toEqual([["team"], ["team", "a/b"]]);
    expect((await store.update(["team"], "text", (value) => ({ was: value ?? "nothing" })))?.value).toEqual({
      was: "nothing",
    });
  });

  it("watches a namespace live", async () => {
    await store.put(["w", "a"], "1", { n: 1 });
    await store.put(["wa"], "1", { n: 1 });
    const watch = store.watch(["w"], { snapshot: true });
    await watch.ready;
    const seen: Partial<StoreEvent>[] = [];
    await using lease = await store.lease(["w"], "1", { ttl: 30 });
    await store.put(["w"], "1", { n: 2 });
    await store.delete(["w", "a"], "1");
    await store.put(["w"], "end", {});
    for await (const { action, namespace, key, item } of watch) {
      seen.push({ action, namespace, key, ...(item && { item: item.value as never }) });
      if (key === "end") break;
    }
    expect(seen).toEqual([
      { action: "set", namespace: ["w", "a"], key: "1", item: { n: 1 } },
      { action: "set", namespace: ["w"], key: "1", item: { n: 2 } },
      { action: "delete", namespace: ["w", "a"], key: "1" },
      { action: "set", namespace: ["w"], key: "end", item: {} },
    ]);
    expect(lease.key).toBe("store/w/1/%lease");
    await expect(store.lease(["w"], "1", { ttl: 30 })).rejects.toThrow(ConflictError);
    expect(await keysOf(["w"])).toEqual(["w/1", "w/end"]);
    expect(await store.listNamespaces({ prefix: ["w"] })).toEqual([["w"]]);
  });

  it("loses no update of two nodes that run in parallel, where put does", async ({ annotate }) => {
    const State = Annotation.Root({ done: Annotation<number>({ reducer: (a, b) => a + b, default: () => 0 }) });
    const run = async (count: (shared: MemxStore) => Promise<unknown>) => {
      const node = async () => {
        for (let n = 0; n < 100; n++) await count(store);
        return { done: 100 };
      };
      const graph = new StateGraph(State)
        .addNode("left", node)
        .addNode("right", node)
        .addEdge(START, "left")
        .addEdge(START, "right")
        .addEdge("left", END)
        .addEdge("right", END)
        .compile({ store });
      await store.put(["graph"], "count", { n: 0 });
      expect(await graph.invoke({})).toEqual({ done: 200 });
      return (await store.get(["graph"], "count"))?.value.n;
    };
    expect(await run((shared) => shared.update(["graph"], "count", (value) => ({ n: value?.n + 1 })))).toBe(200);
    const lossy = await run(async (shared) => {
      const item = await shared.get(["graph"], "count");
      await shared.put(["graph"], "count", { n: item?.value.n + 1 });
    });
    await annotate(`with put: ${lossy} of 200`);
    expect(lossy).toBeLessThan(200);
  });

  it("is the store of a graph: nodes reach it in their config", async () => {
    const State = Annotation.Root({ name: Annotation<string> });
    const graph = new StateGraph(State)
      .addNode("remember", async ({ name }, config) => {
        await config.store?.put(["people"], name, { seen: true });
        const item = await config.store?.get(["people"], name);
        return { name: `${item?.key} ${item?.value.seen}` };
      })
      .addEdge(START, "remember")
      .addEdge("remember", END)
      .compile({ store });
    expect(await graph.invoke({ name: "ada" })).toEqual({ name: "ada true" });
    expect((await memx.get("store/people/ada"))?.value).toEqual({ seen: true });
  });
});
