// The tools that find out what is there: keys, changes, schemas.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { freshKey, post, set, setSchema, setText } from "../support/client.ts";
import { callTool, failTool, useTool } from "../support/mcp.ts";

describe("memx_list", () => {
  it("lists the keys of a prefix, page by page, as /keys does", async () => {
    const prefix = freshKey();
    for (const n of [1, 2, 3]) await setText(`${prefix}:${n}`, `${n}.0`);
    const pages: string[] = [];
    let cursor: string | null = null;
    do {
      const args = { prefix, limit: 1, values: true, ...(cursor !== null && { cursor }) };
      const { text, structured } = await callTool("memx_list", args);
      pages.push(text.slice(0, text.lastIndexOf(',"cursor"')));
      expect(structured.keys.length).toBeLessThanOrEqual(1);
      cursor = structured.cursor;
    } while (cursor !== null);
    expect(pages.join()).toMatch(/"value":1\.0,.*"value":2\.0,.*"value":3\.0,/);
    const { keys } = await useTool("memx_list", { prefix });
    expect(keys.map(({ key }: { key: string }) => key)).toEqual([1, 2, 3].map((n) => `${prefix}:${n}`));
    for (const key of keys) expect(Object.keys(key)).toEqual(["key", "ts", "revision"]);
  });

  it("ends a page early when values are large, and goes on after it", async () => {
    const prefix = freshKey();
    const size = LIMITS.maxToolResultBytes / 2;
    for (const n of [1, 2, 3, 4]) await set(`${prefix}:${n}`, "x".repeat(size));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { keys, cursor: next } = await useTool("memx_list", { prefix, values: true, ...(cursor && { cursor }) });
      expect(keys).toHaveLength(1);
      expect(keys[0].value).toHaveLength(size);
      seen.push(keys[0].key);
      cursor = next;
    } while (cursor !== null);
    expect(seen).toEqual([1, 2, 3, 4].map((n) => `${prefix}:${n}`));
  });

  it("gives the size of a value that is too large, in its place", async () => {
    const prefix = freshKey();
    const { revision, ts } = await set(`${prefix}:1`, "x".repeat(100_000));
    await set(`${prefix}:2`, 2);
    const first = await useTool("memx_list", { prefix, values: true });
    expect(first.keys).toEqual([{ key: `${prefix}:1`, ts, revision, bytes: 100_002, created: ts }]);
    const { keys, cursor } = await useTool("memx_list", { prefix, values: true, cursor: first.cursor });
    expect([keys.length, keys[0].value, cursor]).toEqual([1, 2, null]);
  });

  it("refuses a cursor of another prefix", async () => {
    expect(await failTool("memx_list", { prefix: "b", cursor: "YQ" })).toContain("/cursor: Must be the `cursor`");
    expect(await failTool("memx_list", { cursor: "%" })).toContain("/cursor: ");
  });
});

describe("memx_history", () => {
  it("lists changes newest first, as /history does, page by page", async () => {
    const key = freshKey();
    await setText(key, "1.0");
    await setSchema(key, { type: "number" });
    await setText(key, "2.0");
    await post("/delete", { key });
    const { text, structured } = await callTool("memx_history", { key, limit: 2 });
    expect(text).toMatch(/^\{"changes":\[\{"event":"value","action":"delete",.*"value":2\.0,/);
    expect(structured.changes).toHaveLength(2);
    const rest = await useTool("memx_history", { key, before: structured.cursor });
    expect(rest.changes).toMatchObject([
      { event: "schema", schema: { type: "number" } },
      { event: "value", action: "set", value: 1 },
    ]);
    expect(rest.cursor).toBeNull();
    expect(await useTool("memx_history", { key: freshKey() })).toEqual({ changes: [], cursor: null });
  });

  it("ends a page early when values are large, and gives the size of the largest", async () => {
    const key = freshKey();
    for (const size of [10, 100_000, 20_000, 20_000]) await set(key, "x".repeat(size));
    const pages: unknown[][] = [];
    let before: number | null = null;
    do {
      const page = await useTool("memx_history", { key, ...(before && { before }) });
      pages.push(page.changes.map(({ value, bytes }: { value?: string; bytes?: number }) => value?.length ?? bytes));
      before = page.cursor;
    } while (before !== null);
    expect(pages).toEqual([[20_000], [20_000], [100_002], [10]]);
  });
});

describe("memx_schema", () => {
  it("returns the schema as it was written, or that there is none", async () => {
    const key = freshKey();
    expect(await useTool("memx_schema", { key })).toEqual({ found: false });
    await set(key, 1);
    expect(await useTool("memx_schema", { key })).toEqual({ found: false });
    const { revision } = await setSchema(key, { type: "number", maximum: 1e3 });
    expect(await useTool("memx_schema", { key })).toEqual({
      found: true,
      schema: { type: "number", maximum: 1000 },
      revision,
    });
    await setSchema(key, false);
    expect(await useTool("memx_schema", { key })).toMatchObject({ found: true, schema: false });
  });
});
