// A namespace may take only a share of an isolate's time with costly work. Not counted in development, so these tests are
// not in it.

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { app } from "../../worker/app.ts";
import { freshKey, problem } from "../support/client.ts";

type Call = { readonly path: string; readonly body?: object };

/** An API key with a namespace of its own. */
function createTenant(settings: Readonly<Record<string, string>> = {}) {
  const apiKey = freshKey();
  const acl = { [apiKey]: { read: ["*"], write: ["*"], user_id: crypto.randomUUID() } };
  const bindings = {
    ...env,
    MEMX_ENV: "",
    MEMX_ACL: JSON.stringify(acl),
    // Would refuse so many calls.
    RATE_LIMITER: { limit: async () => ({ success: true }) },
    ...settings,
  } as Env;
  const send = async ({ path, body }: Call): Promise<Response> => {
    const ctx = createExecutionContext();
    const headers = { "x-api-key": apiKey, "content-type": "application/json" };
    const init = { headers, ...(body && { method: "POST", body: JSON.stringify(body) }) };
    const response = await app.fetch(new Request(`http://memx${path}`, init), bindings, ctx);
    await waitOnExecutionContext(ctx);
    return response;
  };
  const sendMany = (call: Call, count: number) => Promise.all(Array.from({ length: count }, () => send(call)));
  return { send, sendMany };
}

// Near the limit of one request: each number is checked against each part of the schema.
const schema = { items: { allOf: Array.from({ length: 200 }, (_, n) => ({ maximum: n + 1_000 })) } };
const setSchema: Call = { path: "/schema", body: { key: "checked", schema } };
const setChecked: Call = { path: "/set", body: { key: "checked", value: Array.from({ length: 150 }, (_, n) => n) } };
const operations = Array.from({ length: 100 }, (_, n) => ({ op: "set", key: `${n}`, value: "x".repeat(9_000) }));
const setLarge: Call = { path: "/batch", body: { operations } };
const patchLarge: Call = {
  path: "/patch",
  body: { key: "patched", patch: [{ op: "add", path: "", value: "x".repeat(200_000) }] },
};
const AT_ONCE = 40;

describe("a namespace that has used its share of time", () => {
  it.each([
    ["checks of values", setChecked],
    ["checks of schemas", setSchema],
    ["patches", patchLarge],
    ["large bodies", setLarge],
    ["listings", { path: "/keys" }],
    ["long polls", { path: "/changes?pattern=*&since=0&wait=0" }],
  ])("by %s may do no more of it, and is told when to come back", async (_, call) => {
    const { send, sendMany } = createTenant();
    expect((await send(setSchema)).status).toBe(200);
    let refused: Response | undefined;
    while (!refused) refused = (await sendMany(call, AT_ONCE)).find(({ status }) => status === 429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    await problem(refused, "rate_limited");
    // Small calls need no share, and other namespaces have their own.
    expect((await send({ path: "/get?key=a" })).status).toBe(200);
    expect((await send({ path: "/set", body: { key: "small", value: 1 } })).status).toBe(200);
    const other = createTenant();
    for (const costly of [setSchema, setChecked]) expect((await other.send(costly)).status).toBe(200);
    await expect.poll(async () => (await send(call)).status).toBe(200);
  });

  it("has written nothing with a refused request", async () => {
    const { send, sendMany } = createTenant();
    const { revision } = await (await send(setSchema)).json<{ revision: number }>();
    const statuses: number[] = [];
    while (!statuses.includes(429)) statuses.push(...(await sendMany(setChecked, AT_ONCE)).map(({ status }) => status));
    const written = statuses.filter((status) => status === 200).length;
    expect(statuses).toHaveLength(written + statuses.filter((status) => status === 429).length);
    const small = await send({ path: "/set", body: { key: "small", value: 1 } });
    expect((await small.json<{ revision: number }>()).revision).toBe(revision + written + 1);
  });
});

it.each([
  ["in development", { MEMX_ENV: "development" }],
  ["without a rate limit", { RATE_LIMIT: "0" }],
])("is not counted %s", async (_, settings) => {
  const { sendMany } = createTenant(settings);
  for (const { status } of await sendMany(setLarge, AT_ONCE)) expect(status).toBe(200);
});
