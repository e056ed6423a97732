// The tools that read and write values: exact texts, conditions, errors that say what to do, and values that are too large.

import { describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { freshKey, get, getText, set, setSchema, setText } from "../support/client.ts";
import { breakStore } from "../support/engine.ts";
import { callTool, ERAS, failTool, useTool } from "../support/mcp.ts";

const EXACT = '{"n":9007199254740993,"f":1.0,"z":-0.0,"e":1e5,"__proto__":{"a":[0.10]},"t":"1.0"}';

describe("a value", () => {
  it.each(ERAS)("comes back digit for digit, in the text and in the structured content (%s)", async (era) => {
    const key = freshKey();
    const { revision, ts } = await setText(key, EXACT);
    const { text, raw } = await callTool("memx_get", { key }, { era });
    const exact = `{"found":true,"value":${EXACT},"ts":${ts},"revision":${revision},"created":${ts}}`;
    expect(text).toBe(exact);
    expect(raw).toContain(`"structuredContent":${exact}`);
  });

  it.each(ERAS)("is written digit for digit by every tool (%s)", async (era) => {
    const key = freshKey();
    await useTool("memx_set", `{"key":"${key}","value": ${EXACT} }`, { era });
    expect(await getText(key)).toBe(EXACT);
    await useTool("memx_set", `{"key":"${key}","value":{}}`, { era });
    await useTool("memx_merge", `{"key":"${key}","changes":{"n":9007199254740993,"f":1.0}}`, { era });
    await useTool("memx_append", `{"key":"${key}","path":"/l","items":[1.0,9007199254740995]}`, { era });
    const { raw } = await callTool("memx_increment", `{"key":"${key}","path":"/n","by":9007199254740993}`, { era });
    expect(raw).toContain('\\"value\\":18014398509481986}');
    expect(raw).toContain('"value":18014398509481986}');
    expect(await getText(key)).toBe('{"n":18014398509481986,"f":1.0,"l":[1.0,9007199254740995]}');
  });

  it("that is not there is not found", async () => {
    expect(await useTool("memx_get", { key: freshKey() })).toEqual({ found: false });
  });

  it("can be null, and is found", async () => {
    const key = freshKey();
    await set(key, null);
    expect(await useTool("memx_get", { key })).toMatchObject({ found: true, value: null });
  });

  it("is read in parts, by JSON Pointer", async () => {
    const key = freshKey();
    const { revision, ts } = await setText(key, '{"a/b":{"~":[1.0,{"x":"y"}]},"":0}');
    const part = async (path: string) => (await callTool("memx_get", { key, path })).text;
    const found = (text: string) => `{"found":true,"value":${text},"ts":${ts},"revision":${revision},"created":${ts}}`;
    expect(await part("/a~1b/~0/0")).toBe(found("1.0"));
    expect(await part("/a~1b/~0/1/x")).toBe(found('"y"'));
    expect(await part("/")).toBe(found("0"));
    const missing = `{"found":false,"ts":${ts},"revision":${revision}}`;
    for (const path of ["/c", "/a~1b/~0/2", "/a~1b/~0/-", "/a~1b/~0/01", "/a~1b/~0/0/x", "/__proto__"]) {
      expect(await part(path), path).toBe(missing);
    }
    expect(await failTool("memx_get", { key, path: "a" })).toMatch(/^invalid_request: .*\/path: .*JSON Pointer/);
  });
});

describe("a value that is too large for a result", () => {
  it("comes in parts that make up the whole, with what to do next", async () => {
    const key = freshKey();
    const items = Array.from({ length: 4_000 }, (_, n) => ({ n, text: `ä😀 ${n}` }));
    const { revision } = await set(key, { items, note: "short" });
    let whole = "";
    let offset: number | undefined;
    let calls = 0;
    do {
      const { texts, structured, isError } = await callTool("memx_get", { key, ...(offset && { offset }) });
      expect(isError).toBe(false);
      expect(structured).toMatchObject({ found: true, revision, note: expect.any(String) });
      expect(structured).not.toHaveProperty("value");
      expect(texts).toHaveLength(2);
      expect(texts[1]).toBe(structured.part);
      expect(texts[0]).toContain(structured.note);
      expect(new TextEncoder().encode(structured.part).length).toBeLessThanOrEqual(LIMITS.maxToolResultBytes);
      if (calls++ === 0) expect(structured.note).toContain("/items");
      whole += structured.part;
      offset = structured.next;
    } while (offset !== undefined);
    expect(calls).toBeGreaterThan(3);
    expect(whole).toBe(await getText(key));
    expect(await useTool("memx_get", { key, path: "/items/3999" })).toMatchObject({ value: items[3999] });
    expect(await useTool("memx_get", { key, path: "/note" })).toMatchObject({ value: "short" });
    expect((await useTool("memx_get", { key, path: "/items" })).note).toContain("/0 to /3999");
  });

  it("can be one long text, which has no parts of its own", async () => {
    const key = freshKey();
    await set(key, "x".repeat(100_000));
    const { note, next } = await useTool("memx_get", { key });
    expect(note).toContain("no parts");
    expect(await useTool("memx_get", { key, offset: next })).toMatchObject({ found: true });
    expect(await failTool("memx_get", { key, offset: 200_000 })).toContain("/offset: The value has only 100002");
  });

  it("never splits a character, wherever a caller begins", async () => {
    const key = freshKey();
    await set(key, "😀".repeat(20_000));
    for (const offset of [1, 2, 3]) {
      const { part } = await useTool("memx_get", { key, offset });
      expect(part.isWellFormed()).toBe(true);
    }
  });

  it("is left out of what a patch returns, which says how large it is", async () => {
    const key = freshKey();
    await set(key, { text: "ä".repeat(5_000) });
    expect(await useTool("memx_merge", { key, changes: { n: 1 } })).toEqual({
      revision: expect.any(Number),
      ts: expect.any(Number),
      bytes: 10_017,
    });
  });
});

describe("a write", () => {
  it("returns the revision that a read then has", async () => {
    const key = freshKey();
    const written = await useTool("memx_set", { key, value: { x: 1 } });
    expect(await useTool("memx_get", { key })).toEqual({
      found: true,
      value: { x: 1 },
      ...written,
      created: written.ts,
    });
  });

  it("with `expect` that does not match changes nothing, and shows what the key holds and what to do", async () => {
    const key = freshKey();
    const { revision, ts } = await setText(key, EXACT);
    for (const [tool, args] of [
      ["memx_set", { value: 2 }],
      ["memx_merge", { changes: {} }],
      ["memx_delete", {}],
    ] as const) {
      const text = await failTool(tool, { key, ...args, expect: 1 });
      expect(text).toBe(
        [
          "conflict: The key's current revision does not match `expect`.",
          `current: {"value":${EXACT},"ts":${ts},"revision":${revision},"created":${ts}}`,
          "Next: decide again on the basis of `current`, and pass its revision as `expect`.",
        ].join("\n"),
      );
    }
    expect(await getText(key)).toBe(EXACT);
    const missing = await failTool("memx_set", { key: freshKey(), value: 1, expect: 1 });
    expect(missing).toContain("current: null\nNext: the key has no value now. To create it, pass `expect: 0`.");
    expect(await useTool("memx_set", { key, value: 2, expect: revision })).toMatchObject({ revision: revision + 1 });
  });

  it("that conflicts with a large value shows the beginning of it", async () => {
    const key = freshKey();
    await set(key, "x".repeat(100_000));
    const text = await failTool("memx_set", { key, value: 1, expect: 0 });
    expect(text.length).toBeLessThan(LIMITS.maxToolResultBytes + 1_000);
    expect(text).toContain("… (cut: read it with memx_get)");
  });

  it("carries the name of the writer, which the host sends in a header", async () => {
    const key = freshKey();
    const headers = { "x-memx-agent": "planner" };
    await useTool("memx_set", { key, value: { a: 1 }, ttl: 60 }, { headers });
    expect(await useTool("memx_get", { key })).toMatchObject({ by: "planner", expires: expect.any(Number) });
    await useTool("memx_increment", { key, by: 1, path: "/a" }, { headers: { "x-memx-agent": "worker" } });
    expect((await useTool("memx_history", { key })).changes).toMatchObject([{ by: "worker" }, { by: "planner" }]);
    const refused = await failTool("memx_set", { key, value: 2 }, { headers: { "x-memx-agent": "x".repeat(65) } });
    expect(refused).toMatch(/^invalid_request: The header x-memx-agent /);
    expect((await useTool("memx_get", { key })).value).toEqual({ a: 2 });
  });

  it("that the key's schema forbids names each place, and changes nothing", async () => {
    const key = freshKey();
    await setSchema(key, {
      type: "object",
      properties: { x: { type: "number" }, y: { type: "array", items: { type: "string" } } },
      required: ["z"],
    });
    const text = await failTool("memx_set", { key, value: { x: "no", y: [1] } });
    expect(text).toMatch(/^schema_violation: The value does not match the key's schema\. /);
    for (const place of ["/x: ", "/y/0: ", '"z" is missing']) expect(text).toContain(place);
    expect(text).toContain("Next: read the key's schema with memx_schema");
    expect(await get(key)).toBe("null");
    expect(await failTool("memx_merge", { key, changes: { z: 1, x: "no" } })).toContain("/x: ");
  });

  it("with `ttl` expires", async () => {
    const key = freshKey();
    await useTool("memx_set", { key, value: 1, ttl: 1 });
    await expect.poll(async () => (await useTool("memx_get", { key })).found, { interval: 200 }).toBe(false);
  });

  it("deletes a value, and says whether there was one", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    expect(await useTool("memx_delete", { key, expect: revision })).toEqual({ deleted: true, revision: revision + 1 });
    expect(await useTool("memx_delete", { key })).toEqual({ deleted: false, revision: 0 });
  });

  it("merges members, removes them with null, and keeps the rest", async () => {
    const key = freshKey();
    await set(key, { a: 1, b: { c: 2, d: 3 } });
    const merged = await useTool("memx_merge", { key, changes: { a: null, b: { c: 4 }, e: [5] } });
    expect(merged.value).toEqual({ b: { c: 4, d: 3 }, e: [5] });
  });

  it("appends to a list that it creates, and keeps the newest items", async () => {
    const key = freshKey();
    expect((await useTool("memx_append", { key, items: [1, 2], path: "/list" })).value).toEqual({ list: [1, 2] });
    expect((await useTool("memx_append", { key, items: [3], path: "/list", limit: 2 })).value.list).toEqual([2, 3]);
  });

  it("increments a number that it creates, and returns it", async () => {
    const key = freshKey();
    expect((await useTool("memx_increment", { key, by: 2, path: "/a/b" })).value).toBe(2);
    expect((await useTool("memx_increment", { key, by: -0.5, path: "/a/b" })).value).toBe(1.5);
    expect(await getText(key)).toBe('{"a":{"b":1.5}}');
  });

  it("to something that is no list, number or object says so without its value", async () => {
    const key = freshKey();
    await set(key, "a secret");
    for (const [tool, args] of [
      ["memx_append", { items: [1] }],
      ["memx_increment", { by: 1 }],
    ] as const) {
      const text = await failTool(tool, { key, ...args });
      expect(text).toMatch(/^conflict: The patch cannot be applied\./);
      expect(text).toContain("Next: read the key with memx_get");
      expect(text).not.toContain("secret");
    }
  });

  it("that is too large is refused", async () => {
    const key = freshKey();
    const value = "x".repeat(LIMITS.maxValueBytes);
    expect(await failTool("memx_set", { key, value })).toMatch(/^too_large: /);
    await set(key, { a: "x".repeat(200_000) });
    expect(await failTool("memx_merge", { key, changes: { b: "x".repeat(100_000) } })).toMatch(/^too_large: /);
  });

  it("says that it may have been applied when the store fails, and nothing of the cause", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const repair = await breakStore("a cause that is secret");
    try {
      const text = await failTool("memx_set", { key: freshKey(), value: 1 });
      expect(text).toMatch(/^store_unavailable: The store did not answer\. Try again\.\nNext: read the key to see/);
      expect(text).not.toContain("secret");
      expect(await failTool("memx_get", { key: freshKey() })).toMatch(/\nNext: try again after 1 s\.$/);
      expect(log).toHaveBeenCalledTimes(2);
      expect(log.mock.calls[0]?.[0]).toMatchObject({ event: "store_unavailable", request: expect.any(String) });
    } finally {
      await repair();
      log.mockRestore();
    }
  });
});
