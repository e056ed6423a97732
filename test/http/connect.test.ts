// GET /connect: calls over a WebSocket, each answered exactly as HTTP answers it.

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openStore } from "../../memory/store/open-store.ts";
import { createAgent } from "../support/agent.ts";
import { connectCalls } from "../support/call-socket.ts";
import { captureLog } from "../support/capture-log.ts";
import { answer, freshKey, get, getText, post, problem, request } from "../support/client.ts";
import { breakStore } from "../support/engine.ts";
import { fetchWith } from "../support/fetch-with.ts";
import { connect } from "../support/subscriber.ts";

afterEach(() => void vi.restoreAllMocks());

describe("a call over a socket", () => {
  it("is answered by its id with the status and the body that HTTP has", async () => {
    const { calls, subprotocol } = await connectCalls();
    expect(subprotocol).toBe("memx.calls.v1");
    const key = freshKey();
    const [written, wrong, missing] = await calls(
      ["set", { key, value: { x: 1 } }],
      ["set", { key: 5, value: 1 }],
      ["schema_get", { key }],
    );
    expect(written).toEqual({
      id: 1,
      status: 200,
      revision: expect.any(Number),
      body: { ok: true, updated: true, revision: written?.revision, ts: expect.any(Number) },
    });
    expect(wrong).toEqual({ id: 2, status: 422, body: await (await post("/set", { key: 5, value: 1 })).json() });
    const notFound = await request("GET", `/schema?key=${encodeURIComponent(key)}`);
    expect(missing).toEqual({ id: 3, status: 404, revision: expect.any(Number), body: await notFound.json() });
    const [entry] = await calls(["get", { key }]);
    expect(entry).toEqual({ id: 4, status: 200, revision: expect.any(Number), body: JSON.parse(await get(key)) });
  });

  it("can be each of the twelve calls", async () => {
    const { calls } = await connectCalls({ headers: { "x-memx-agent": "socket" } });
    const [key, other] = [freshKey(), freshKey()];
    const answers = await calls(
      ["schema_set", { key, schema: { type: "object" } }],
      ["set", { key, value: {} }, { agent: "one" }],
      ["patch", { key, merge: { a: 1 } }],
      ["get", { key }],
      ["read", { keys: [key, other] }],
      ["history", { key, limit: 2 }],
      ["batch", { operations: [{ op: "set", key: other, value: 1 }] }],
      ["bulk", { operations: [{ op: "delete", key: other }] }],
      ["delete", { key }],
      ["schema_get", { key }],
      ["schema_delete", { key }],
      ["schema_get", { key }],
    );
    expect(answers.map(({ status }) => status)).toEqual([...Array(11).fill(200), 404]);
    const [, , patched, entry, read, history, , bulk] = answers.map(({ body }) => body as Record<string, never>);
    expect(patched).toMatchObject({ value: { a: 1 } });
    expect(entry).toMatchObject({ value: { a: 1 }, by: "socket" });
    expect(read).toMatchObject({ entries: [{ value: { a: 1 } }, null] });
    expect(history?.changes).toMatchObject([{ by: "socket" }, { by: "one" }]);
    expect(bulk).toMatchObject({ results: [{ status: 200, body: { deleted: true } }] });
    const [keys] = await calls(["keys", { prefix: key, values: true }]);
    expect(keys).toMatchObject({ status: 200, body: { keys: [], cursor: null } });
  });

  it("keeps every digit of a value, in both directions", async () => {
    const { socket, line } = await connectCalls();
    const key = freshKey();
    const value = '[9007199254740993, 1.0 ,"é\\n",\n{},\n{}\n]';
    socket.send(
      `{"id":1,"call":"set","body":{"key":"${key}","value":${value}}}\n{"call":"get","body":{"key":"${key}"},"id":2}`,
    );
    expect(await line(2)).toContain(`,"body":{"value":${value},"ts":`);
    expect(await getText(key)).toBe(value);
  });

  it("sees the calls on the same key that were sent before it", async () => {
    const { calls } = await connectCalls();
    const key = freshKey();
    const sets = Array.from({ length: 30 }, (_, n) => n);
    const answers = await calls(
      ...sets.flatMap((n) => [["set", { key, value: n }] as [string, object], ["get", { key }] as [string, object]]),
    );
    const seen = answers.filter((_, index) => index % 2 === 1).map(({ body }) => (body as { value: number }).value);
    expect(seen).toEqual(sets);
  });

  it("shares one request to the store with the others of its turn", async () => {
    const { calls } = await connectCalls({ fetch: fetchWith(env) });
    const many = vi.spyOn(openStore(env), "many");
    const keys = Array.from({ length: 64 }, freshKey);
    await calls(...keys.map((key) => ["set", { key, value: 1 }] as [string, object]));
    expect(many.mock.calls.map(([, sent]) => sent.length)).toEqual([64]);
    await calls(...keys.map((key) => ["get", { key }] as [string, object]));
    expect(many.mock.calls.map(([, sent]) => sent.length)).toEqual([64, 64]);
  });

  it("repeats a write under its idempotency key, also one that went over HTTP before", async () => {
    const { calls } = await connectCalls();
    const key = freshKey();
    const idempotency = freshKey();
    const body = { key, append: { items: [1] } };
    const headers = { "idempotency-key": idempotency };
    const first = await answer<object>(post("/patch", body, { headers }));
    const [repeat, other] = await calls(["patch", body, { idempotency }], ["delete", { key }, { idempotency }]);
    expect(repeat).toMatchObject({ status: 200, body: first });
    expect(other).toMatchObject({ status: 422, body: { code: "invalid_request" } });
    expect(await getText(key)).toBe("[1]");
    const schema = { key, schema: true };
    await answer(post("/schema", schema));
    const [gone] = await calls(["schema_delete", { key }, { idempotency: `${idempotency}2` }]);
    const again = await request("DELETE", `/schema?key=${encodeURIComponent(key)}`, {
      headers: { "idempotency-key": `${idempotency}2` },
    });
    expect(await again.json()).toEqual(gone?.body);
  });

  it("is announced to subscribers", async () => {
    const agent = createAgent();
    const subscriber = await agent.connect("/watch?pattern=*&since=0");
    await subscriber.takeUntilReady();
    const { calls } = await connectCalls({ fetch: agent.fetch });
    await calls(["set", { key: "a", value: 1 }], ["set", { key: "b", value: 1 }]);
    expect((await subscriber.take(2)).map(({ key }) => key).toSorted()).toEqual(["a", "b"]);
    await agent.settled();
  });
});

describe("a message that is not valid", () => {
  it.each([
    ["is not JSON", "{'id':1}"],
    ["is no object", "[1]"],
    ["has no id", '{"call":"get","body":{"key":"a"}}'],
    ["has an id that is no whole number", '{"id":"1","call":"get"}'],
    ["has two ids", '{"id":1,"id":2,"call":"get"}'],
  ])("and %s ends the socket with 4422, after the calls before it were answered", async (_, text) => {
    const { socket, answer, closed } = await connectCalls();
    const key = freshKey();
    socket.send(`{"id":7,"call":"set","body":{"key":"${key}","value":1}}`);
    socket.send(text);
    socket.send(`{"id":8,"call":"delete","body":{"key":"${key}"}}`);
    expect(await answer(7)).toMatchObject({ status: 200 });
    expect((await closed).code).toBe(4422);
    expect(await getText(key)).toBe("1");
  });

  it.each([
    ["an unknown call", '{"id":3,"call":"wipe","body":{}}', "/call"],
    ["an unknown field", '{"id":3,"call":"get","body":{},"key":"a"}', "/key"],
    ["no call", '{"id":3,"body":{}}', ""],
    ["a body that is not JSON", '{"id":3,"call":"set","body":{\'a\':1}}', undefined],
    ["a body with a name twice", '{"id":3,"call":"set","body":{"key":"a","value":{"b":1,"b":2}}}', undefined],
    ["a body that is no object", '{"id":3,"call":"set","body":[1]}', ""],
    ["no body", '{"id":3,"call":"get"}', ""],
    ["an unknown parameter", '{"id":3,"call":"get","body":{"key":"a","limit":1}}', "/limit"],
    [
      "too deep a value",
      `{"id":3,"call":"set","body":{"key":"a","value":${"[".repeat(65)}${"]".repeat(65)}}}`,
      undefined,
    ],
    ["an idempotency key that is none", '{"id":3,"call":"delete","body":{"key":"a"},"idempotency":"a b"}', undefined],
    ["an agent that is none", '{"id":3,"call":"delete","body":{"key":"a"},"agent":" "}', undefined],
  ])("and has %s is answered 422, and the socket goes on", async (_, text, path) => {
    const { socket, answer, calls } = await connectCalls();
    socket.send(text);
    const { status, body } = await answer(3);
    expect({ status, code: (body as { code: string }).code }).toEqual({ status: 422, code: "invalid_request" });
    const paths = ((body as { errors?: { path: string }[] }).errors ?? []).map((error) => error.path);
    if (path !== undefined) expect(paths).toContain(path);
    expect(await calls(["get", { key: freshKey() }])).toMatchObject([{ status: 200, body: null }]);
  });
});

describe("a socket of calls", () => {
  it("is refused as a subscription is, and without its subprotocol", async () => {
    const code = async (headers: Record<string, string>) => (await (await connect("/connect", headers)).closed).code;
    const offered = { "sec-websocket-protocol": "memx.calls.v1" };
    expect(await code(offered)).toBe(4401);
    expect(await code({ ...offered, "x-api-key": "unknown" })).toBe(4403);
    expect(await code({ "x-api-key": "local_dev_key" })).toBe(4422);
    expect(await code({ ...offered, "x-api-key": "local_dev_key", "x-memx-agent": " " })).toBe(4422);
    const browser = await connect("/connect", {
      "sec-websocket-protocol": "memx.calls.v1, memx.key.bG9jYWxfZGV2X2tleQ",
    });
    expect(browser.subprotocol).toBe("memx.calls.v1");
    browser.socket.close();
    await problem(await request("GET", "/connect"), "upgrade_required");
  });

  it("responds to ping with pong, after what it sent before", async () => {
    const { socket, texts } = await connectCalls();
    socket.send("ping");
    await expect.poll(() => texts).toEqual(["pong"]);
  });

  it("answers a call with a revoked API key, and closes with 4403", async () => {
    const apiKey = freshKey();
    const settings = { ...env, MEMX_ACL: JSON.stringify({ [apiKey]: ["*"] }) };
    const { calls, closed } = await connectCalls({ fetch: fetchWith(settings), apiKey });
    expect(await calls(["get", { key: "a" }])).toMatchObject([{ status: 200 }]);
    Object.assign(settings, { MEMX_ACL: "{}" });
    const answers = await calls(["set", { key: "a", value: 1 }], ["get", { key: "a" }]);
    for (const refused of answers) expect(refused).toMatchObject({ status: 403, body: { code: "invalid_api_key" } });
    expect((await closed).code).toBe(4403);
  });

  it("closes with 4403 when its API key is revoked, although it makes no call", async () => {
    const apiKey = freshKey();
    const settings = { ...env, MEMX_ACL: JSON.stringify({ [apiKey]: ["*"] }), REVOCATION_SECONDS: "1" };
    const { closed } = await connectCalls({ fetch: fetchWith(settings), apiKey });
    Object.assign(settings, { MEMX_ACL: "{}" });
    expect((await closed).code).toBe(4403);
  });

  it("obeys the scopes that its API key has by now", async () => {
    const apiKey = freshKey();
    const settings = { ...env, MEMX_ACL: JSON.stringify({ [apiKey]: ["*"] }) };
    const { calls } = await connectCalls({ fetch: fetchWith(settings), apiKey });
    Object.assign(settings, { MEMX_ACL: JSON.stringify({ [apiKey]: { read: ["a"], write: [] } }) });
    const answers = await calls(["get", { key: "a" }], ["get", { key: "b" }], ["delete", { key: "a" }]);
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 403]);
  });

  it("answers 503 if the store fails, and goes on when it works again", async () => {
    const events = captureLog();
    const { calls } = await connectCalls();
    const repair = await breakStore("a secret of the store");
    const answers = await calls(["get", { key: "a" }], ["set", { key: "a", value: 1 }], ["keys", {}]);
    await repair();
    for (const failed of answers) {
      expect(failed).toMatchObject({ status: 503, retry: 1, body: { code: "store_unavailable" } });
      expect(JSON.stringify(failed)).not.toContain("secret");
    }
    // The channels of other test files on this store notice it, too.
    expect(new Set(events.filter((event) => event !== "repair_failed"))).toEqual(new Set(["store_unavailable"]));
    expect(await calls(["get", { key: freshKey() }])).toMatchObject([{ status: 200 }]);
  });
});
