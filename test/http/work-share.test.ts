// A namespace may take only a share of an isolate's time with costly work, if another one needs the isolate. Not counted in
// development, so these tests are not in it.

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { app } from "../../worker/app.ts";
import { freshKey, problem } from "../support/client.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";

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
  /** Resolves with how memX closed the socket, `undefined` if it stays open. */
  const join = async (path: string): Promise<CloseEvent | undefined> => {
    const headers = { "x-api-key": apiKey, upgrade: "websocket" };
    const response = await app.fetch(
      new Request(`http://memx${path}`, { headers }),
      bindings,
      createExecutionContext(),
    );
    const socket = response.webSocket as WebSocket;
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
    socket.accept();
    const outcome = await Promise.race([closed, scheduler.wait(20)]);
    socket.close();
    return outcome ?? undefined;
  };
  const sendMany = (call: Call, count: number) => Promise.all(Array.from({ length: count }, () => send(call)));
  return { send, sendMany, join };
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
const setMany: Call = {
  path: "/batch",
  body: { operations: Array.from({ length: 100 }, (_, n) => ({ op: "set", key: `${n}`, value: n })) },
};
const AT_ONCE = 40;

/** Lets an hour pass, in which no namespace calls. */
function beAlone(): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
}

describe("a namespace that has used its share of time", () => {
  it.each([
    ["checks of values", setChecked],
    ["checks of schemas", setSchema],
    ["patches", patchLarge],
    ["large bodies", setLarge],
    ["batches", setMany],
    ["listings", { path: "/keys" }],
    ["long polls", { path: "/changes?pattern=*&since=0&wait=0" }],
  ])("by %s may do no more of it, and is told when to come back", async (_, call) => {
    const { send, sendMany } = createTenant();
    expect((await send(setSchema)).status).toBe(200);
    expect((await createTenant().send({ path: "/get?key=a" })).status).toBe(200);
    let refused: Response | undefined;
    while (!refused) refused = (await sendMany(call, AT_ONCE)).find(({ status }) => status === 429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    await problem(refused, "rate_limited");
    // Small calls need no share, and other namespaces have their own.
    expect((await send({ path: "/get?key=a" })).status).toBe(200);
    expect((await send({ path: "/set", body: { key: "small", value: 1 } })).status).toBe(200);
    const other = createTenant();
    for (const costly of [setSchema, setChecked]) expect((await other.send(costly)).status).toBe(200);
    await expect.poll(async () => (await send(call)).status, { timeout: LONG_PATIENCE_MS }).toBe(200);
  });

  it("has written nothing with a refused request", async () => {
    const { send, sendMany } = createTenant();
    const { revision } = await (await send(setSchema)).json<{ revision: number }>();
    await createTenant().send({ path: "/get?key=a" });
    const statuses: number[] = [];
    while (!statuses.includes(429)) statuses.push(...(await sendMany(setChecked, AT_ONCE)).map(({ status }) => status));
    const written = statuses.filter((status) => status === 200).length;
    expect(statuses).toHaveLength(written + statuses.filter((status) => status === 429).length);
    const small = await send({ path: "/set", body: { key: "small", value: 1 } });
    expect((await small.json<{ revision: number }>()).revision).toBe(revision + written + 1);
  });
});

it("closes a socket that joins with 1013, which no client takes for final", async () => {
  const { send, join } = createTenant();
  await createTenant().send({ path: "/get?key=a" });
  const closed: number[] = [];
  while (!closed.includes(1013)) {
    const joins = await Promise.all(Array.from({ length: 100 }, (_, n) => join(`/watch?pattern=${n}:*`)));
    closed.push(...joins.flatMap((event) => event?.code ?? []));
  }
  expect((await send({ path: "/get?key=a" })).status).toBe(200);
});

it("has all of the isolate's time if it has it to itself, and shares it as soon as another one calls", async () => {
  const { sendMany } = createTenant();
  beAlone();
  for (let round = 0; round < 5; round++) {
    for (const { status } of await sendMany(setLarge, AT_ONCE)) expect(status).toBe(200);
  }
  await createTenant().send({ path: "/get?key=a" });
  expect((await sendMany(setLarge, AT_ONCE)).map(({ status }) => status)).toContain(429);
});

it.each([
  ["in development", { MEMX_ENV: "development" }],
  ["without a rate limit", { RATE_LIMIT: "0" }],
])("is not counted %s", async (_, settings) => {
  const { sendMany } = createTenant(settings);
  for (const { status } of await sendMany(setLarge, AT_ONCE)) expect(status).toBe(200);
});
