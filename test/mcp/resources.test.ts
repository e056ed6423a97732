// Values as resources, and the prompt.

import { describe, expect, it } from "vitest";
import { createAgent } from "../support/agent.ts";
import { freshKey, set, setText } from "../support/client.ts";
import { grant } from "../support/grant.ts";
import { ERAS, result, rpc } from "../support/mcp.ts";

const uriOf = (key: string) => `memx://kv/${encodeURIComponent(key)}`;

describe("resources", () => {
  it.each(ERAS)("are the values that the API key may read, page by page (%s)", async (era) => {
    const apiKey = freshKey();
    const owner = createAgent();
    createAgent({ apiKey, namespace: owner.namespace, read: [`${owner.namespace}:a*`] });
    const keys = Array.from({ length: 120 }, (_, n) => `a/${String(n).padStart(3, "0")}?#%`);
    for (const key of [...keys, "b"]) await owner.set(key, 1);
    const first = await result("resources/list", {}, { apiKey, era });
    expect(first.resources).toHaveLength(100);
    const second = await result("resources/list", { cursor: first.nextCursor }, { apiKey, era });
    expect(second).not.toHaveProperty("nextCursor");
    const all = [...first.resources, ...second.resources];
    expect(all).toEqual(keys.map((key) => ({ uri: uriOf(key), name: key, mimeType: "application/json" })));
    if (era === "2026-07-28") expect(first).toMatchObject({ ttlMs: 0, cacheScope: "private" });
  });

  it("have one template", async () => {
    expect(await result("resources/templates/list")).toMatchObject({
      resourceTemplates: [{ uriTemplate: "memx://kv/{+key}", mimeType: "application/json" }],
    });
  });

  it.each(ERAS)("are read as they were written, and whole (%s)", async (era) => {
    const key = `${freshKey()}/?#% ä😀`;
    const value = `{"n":9007199254740993,"long":"${"x".repeat(100_000)}"}`;
    const { revision, ts } = await setText(key, value);
    for (const uri of [uriOf(key), uriOf(key).replace("%2F", "/").replace("%3A", ":")]) {
      expect((await result("resources/read", { uri }, { era })).contents).toEqual([
        {
          uri,
          mimeType: "application/json",
          text: value,
          _meta: { "memx/revision": revision, "memx/ts": ts },
        },
      ]);
    }
  });

  it.each(ERAS)("that are missing are not found (%s)", async (era) => {
    for (const uri of [uriOf(freshKey()), "memx://other/a", "https://example.com/", "memx://kv", "MEMX://KV/a", "x"]) {
      const { message } = await rpc("resources/read", { uri }, { era });
      expect(message.error, uri).toMatchObject({ code: -32602, data: { uri } });
    }
  });

  it("with a URI that is none are refused", async () => {
    for (const uri of ["memx://kv/", "memx://kv/%ff", "memx://kv/%", "memx://kv/%0A", `memx://kv/${"x".repeat(513)}`]) {
      const { message } = await rpc("resources/read", { uri });
      expect(message.error, uri).toMatchObject({ code: -32602, data: { uri, code: "invalid_request" } });
    }
    const { message } = await rpc("resources/list", { cursor: "?" });
    expect(message.error).toMatchObject({ code: -32602, data: { code: "invalid_request" } });
  });

  it("that the API key must not read are refused, whether they exist or not", async () => {
    const apiKey = freshKey();
    grant({ [apiKey]: { read: ["public"], write: [], user_id: "" } });
    const [there, missing] = [freshKey(), freshKey()];
    await set(there, "a secret");
    const read = async (key: string) => (await rpc("resources/read", { uri: uriOf(key) }, { apiKey })).message.error;
    const errors = [await read(there), await read(missing)];
    for (const [n, key] of [there, missing].entries()) {
      expect(errors[n]).toEqual({
        code: -32602,
        message: `This API key is not allowed to read the key ${JSON.stringify(key)}.`,
        data: { uri: uriOf(key), code: "forbidden" },
      });
    }
  });
});

describe("the prompt", () => {
  it("tells an agent how to work with others, with its role and its keys", async () => {
    const { prompts } = await result("prompts/list");
    expect(prompts).toMatchObject([{ name: "join_team", arguments: [{ name: "role" }, { name: "prefix" }] }]);
    const text = async (args?: object) => {
      const { messages } = await result("prompts/get", { name: "join_team", ...(args && { arguments: args }) });
      expect(messages).toMatchObject([{ role: "user", content: { type: "text" } }]);
      return messages[0].content.text as string;
    };
    const plain = await text();
    for (const word of ["memx_claim", "memx_wait", "memx_merge", "`expect`", "`holding`"])
      expect(plain).toContain(word);
    expect(plain).not.toMatch(/[{}]/);
    expect(await text({ role: "research {prefix}", prefix: 'a:"' })).toBe(
      plain.replace(
        "a memory, memX.",
        'a memory, memX. Your role: research {prefix}. The team\'s keys start with "a:\\"".',
      ),
    );
  });

  it("refuses other names and arguments", async () => {
    for (const params of [{ name: "nothing" }, { name: "join_team", arguments: { rule: "x" } }]) {
      expect((await rpc("prompts/get", params)).message.error).toMatchObject({ code: -32602 });
    }
  });
});
