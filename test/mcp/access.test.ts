// Who may use which tool: what comes back is what the HTTP route says.

import { describe, expect, it } from "vitest";
import { TOOLS } from "../../sdk/tools.ts";
import { freshKey, get, post, request, set } from "../support/client.ts";
import { grant, revoke } from "../support/grant.ts";
import { callTool, mcpRequest, rpc, sendMcp, useTool } from "../support/mcp.ts";

type Call = readonly [args: object, http: (apiKey: string | null) => Promise<Response>];

/** Each tool, and the HTTP call that does the same. */
const calls = (key: string): Readonly<Record<string, Call>> => {
  const read = (path: string) => (apiKey: string | null) => request("GET", path, { apiKey });
  const write = (path: string, body: object) => (apiKey: string | null) => post(path, body, { apiKey });
  const name = encodeURIComponent(key);
  return {
    memx_get: [{ key }, read(`/get?key=${name}`)],
    memx_list: [{ prefix: key }, read(`/keys?prefix=${name}`)],
    memx_history: [{ key }, read(`/history?key=${name}`)],
    memx_schema: [{ key }, read(`/schema?key=${name}`)],
    memx_wait: [{ patterns: [key], since: 0, seconds: 1 }, read(`/changes?pattern=${name}&since=0&wait=0`)],
    memx_set: [{ key, value: 1 }, write("/set", { key, value: 1 })],
    memx_merge: [{ key, changes: { a: 1 } }, write("/patch", { key, merge: { a: 1 } })],
    memx_append: [{ key, items: [1] }, write("/patch", { key, append: { items: [1] } })],
    memx_increment: [{ key, by: 1 }, write("/patch", { key, increment: { by: 1 } })],
    memx_delete: [{ key }, write("/delete", { key })],
    memx_claim: [{ key, holder: "a" }, write("/set", { key, value: "a", expect: 0, ttl: 60 })],
    memx_release: [{ key, token: 1 }, write("/delete", { key, expect: 1 })],
  };
};

const SECRET = "a value that is secret";
const NAMES = TOOLS.map(({ name }) => name);

it("every tool is compared with a call", () => {
  expect(Object.keys(calls("a")).toSorted()).toEqual(NAMES.toSorted());
});

describe.each(NAMES)("%s", (name) => {
  it.each([
    ["without an API key", () => null],
    ["with an API key that does not exist", () => "sk-unknown"],
    [
      "with an API key that was revoked meanwhile",
      async () => {
        const apiKey = freshKey();
        grant({ [apiKey]: { read: ["*"], write: ["*"], user_id: "" } });
        await useTool("memx_get", { key: "a" }, { apiKey });
        revoke(apiKey);
        return apiKey;
      },
    ],
  ])("%s is refused as HTTP refuses it", async (_, makeKey) => {
    const key = freshKey();
    await set(key, SECRET);
    const apiKey = await makeKey();
    const [args, http] = calls(key)[name] as Call;
    const { body, options } = mcpRequest("tools/call", JSON.stringify({ name, arguments: args }), { apiKey });
    const [mine, theirs] = [await sendMcp(body, options), await http(apiKey)];
    expect(mine.status).toBeGreaterThanOrEqual(401);
    expect(mine.status).toBe(theirs.status);
    expect(mine.headers.get("content-type")).toBe("application/problem+json");
    expect(await mine.text()).toBe(await theirs.text());
    expect(await get(key)).toContain(SECRET);
  });

  it.each([
    ["that may only read", { read: ["*"], write: [] }],
    ["that may only write", { read: [], write: ["*"] }],
    ["of other keys", { read: ["other:*"], write: ["other:*"] }],
    ["of nothing", { read: [], write: [] }],
  ])("with an API key %s may do what HTTP lets it do, and fails with the same words", async (_, scopes) => {
    const [mine, theirs] = [freshKey(), freshKey()];
    for (const key of [mine, theirs]) await set(key, SECRET);
    const apiKey = freshKey();
    grant({ [apiKey]: { ...scopes, user_id: "" } });
    const [args] = calls(mine)[name] as Call;
    const [, http] = calls(theirs)[name] as Call;
    const called = await callTool(name, args, { apiKey });
    const response = await http(apiKey);
    const body = await response.text();
    if (response.status === 403) {
      const { code, detail } = JSON.parse(body.replaceAll(theirs, mine));
      expect(called.isError).toBe(true);
      expect(called.text).toBe(`${code}: ${detail}\nNext: use a key that your API key allows.`);
    } else {
      // A patch of this value, a claim of this key and a release of another claim are conflicts either way.
      expect([200, 404, 409]).toContain(response.status);
      expect(called.text).not.toContain("forbidden");
    }
    if (!scopes.read.includes("*")) expect(called.raw).not.toContain(SECRET);
    expect(called.raw.includes(SECRET), called.raw).toBe(body.includes(SECRET));
  });
});

it("a tool for writing that is not listed is refused as forbidden, not as unknown", async () => {
  const apiKey = freshKey();
  grant({ [apiKey]: { read: ["*"], write: [], user_id: "" } });
  const { message } = await rpc("tools/call", { name: "memx_set", arguments: { key: "a", value: 1 } }, { apiKey });
  expect(message.result).toMatchObject({ isError: true });
});

it("a write with `holding` needs the right to read the claim", async () => {
  const apiKey = freshKey();
  const [key, lease] = [freshKey(), freshKey()];
  const { token } = await useTool("memx_claim", { key: lease, holder: "a" });
  grant({ [apiKey]: { read: [], write: ["*"], user_id: "" } });
  const { text } = await callTool("memx_set", { key, value: 1, holding: { key: lease, token } }, { apiKey });
  expect(text).toContain(`forbidden: This API key is not allowed to read the key "${lease}".`);
  expect(await get(key)).toBe("null");
});
