// Subscriptions over server-sent events: the same texts as on the WebSocket, with ids to resume from.

import { exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { createAgent, setOperation, setOperations } from "../support/agent.ts";
import { freshKey, problem, request } from "../support/client.ts";

const accept = "text/event-stream";
const subscribePath = (key: string, query = "") => `/subscribe/${encodeURIComponent(key)}${query}`;

describe.each([
  ["/subscribe/{key}", subscribePath],
  ["/watch", (key: string, query = "") => `/watch?pattern=${encodeURIComponent(key)}${query.replace("?", "&")}`],
])("%s as server-sent events", (_, pathOf) => {
  it("has the headers of an event stream that any page may read", async () => {
    const { response, reader } = await createAgent().connectEventStream(pathOf(freshKey()));
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    await reader.cancel();
  });

  it("carries the same texts as the WebSocket, each with its revision as id", async () => {
    const agent = createAgent();
    const key = freshKey();
    const socket = await agent.connect(pathOf(key, "?event=all"));
    const stream = await agent.connectEventStream(pathOf(key, "?event=all"));
    await agent.setSchema(key, { type: ["object", "string"] });
    await agent.setText(key, '{"n":9007199254740993, "f":1.0,"revision":1,"s":"\\u2028 \\n id: 5"}');
    await agent.set(key, '"revision":7,"previous":8}');
    await agent.writeUnannounced({ op: "delete", key });
    await agent.set(key, { last: true });
    const events = await socket.take(6);
    await stream.take(6);
    expect(stream.events.map(({ data }) => data)).toEqual(socket.texts);
    expect(stream.events.map(({ id }) => id)).toEqual(events.map(({ revision }) => String(revision)));
    await stream.reader.cancel();
  });

  it.each(["\n", "\r\n", "\r", "\n\n", "\n\r\n\t"])(
    "delivers a value with %j between its tokens as JSON",
    async (space) => {
      const agent = createAgent();
      const key = freshKey();
      const stream = await agent.connectEventStream(pathOf(key));
      const { revision } = await agent.setText(key, `{${space}"a":${space}[1,${space}2]}`);
      const last = await agent.set(key, "last");
      const events = await stream.take(3);
      expect(events).toMatchObject([{ event: "ready" }, { value: { a: [1, 2] }, revision }, { value: "last" }]);
      expect(stream.events.map(({ id }) => id)).toEqual([expect.anything(), String(revision), String(last.revision)]);
      await stream.reader.cancel();
    },
  );

  it("resumes exactly from Last-Event-ID, which takes precedence over since", async () => {
    const agent = createAgent();
    const key = freshKey();
    const first = await agent.connectEventStream(pathOf(key, "?since=0"));
    await agent.set(key, 1);
    await agent.set(key, 2);
    const [, , second] = await first.take(3);
    const id = first.events[2]?.id as string;
    expect(id).toBe(String(second?.revision));
    await first.reader.cancel();
    for (const value of [3, 4, 5]) await agent.set(key, value);
    const stream = await agent.connectEventStream(pathOf(key, "?since=0"), { "last-event-id": id });
    expect(await stream.takeUntilReady()).toMatchObject([{ value: 3 }, { value: 4 }, { value: 5 }, { event: "ready" }]);
    expect(stream.events.every((event) => event.id !== undefined)).toBe(true);
    await agent.set(key, 6);
    expect(await stream.take(1)).toMatchObject([{ value: 6 }]);
    await stream.reader.cancel();
  });

  it("gives an id to ready, but not to the events of a snapshot", async () => {
    const agent = createAgent();
    const key = freshKey();
    await agent.setSchema(key, true);
    const { revision } = await agent.set(key, 1);
    const stream = await agent.connectEventStream(pathOf(key, "?since=0&event=all"));
    expect(await stream.takeUntilReady()).toHaveLength(3);
    expect(stream.events.map(({ id }) => id)).toEqual([undefined, undefined, String(revision)]);
    await stream.reader.cancel();
  });

  it("gives an id to ready, but not to the events after a reset", async () => {
    const agent = createAgent();
    const key = freshKey();
    const { revision } = await agent.set(key, 1);
    const head = revision + LIMITS.logLength + 1;
    await agent.writeUnannounced(...setOperations(key, LIMITS.logLength + 1));
    const stream = await agent.connectEventStream(pathOf(key), { "last-event-id": String(revision) });
    expect(await stream.takeUntilReady()).toMatchObject([
      { event: "reset", revision: head },
      { event: "value", revision: head, previous: 0 },
      { event: "ready", revision: head },
    ]);
    expect(stream.events.map(({ id }) => id)).toEqual([undefined, undefined, String(head)]);
    await stream.reader.cancel();
  });

  // Through the whole Worker, because only the Worker learns that a client has left.
  it.each(["aborts its request", "cancels its body"])("frees the channel when the client %s", async (how) => {
    const agent = createAgent({ namespace: "" });
    const key = freshKey();
    const topic = pathOf === subscribePath ? key : "";
    const before = await agent.sockets(topic);
    const abort = new AbortController();
    const headers = { accept, "x-api-key": "local_dev_key" };
    const response = await exports.default.fetch(`http://memx${pathOf(key)}`, { headers, signal: abort.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    expect(await agent.sockets(topic)).toBe(before + 1);
    if (how === "aborts its request") abort.abort();
    else await reader?.cancel();
    await expect.poll(() => agent.sockets(topic)).toBe(before);
  });

  it("ends when the channel closes the socket", async () => {
    const agent = createAgent();
    const key = freshKey();
    const stream = await agent.connectEventStream(pathOf(key));
    await stream.take(1);
    await agent.closeSockets(pathOf === subscribePath ? key : "");
    await stream.ended;
    expect(stream.events).toHaveLength(1);
  });

  it.each([
    ["missing_api_key", { apiKey: null }, ""],
    ["invalid_api_key", { apiKey: "nobody" }, ""],
    ["invalid_request", {}, "?since=x"],
    ["invalid_request", {}, "?event=nope"],
    ["invalid_request", {}, "?nope=1"],
    ["invalid_request", { headers: { "last-event-id": "x" } }, ""],
  ] as const)("refuses %s (%j %j) with a problem over HTTP", async (code, options, query) => {
    const headers = { accept, ...("headers" in options && options.headers) };
    const response = await request("GET", pathOf(freshKey(), query), { ...options, headers });
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    await problem(response, code);
  });

  it("needs the Accept header: without it the response is a 426", async () => {
    const path = pathOf(freshKey());
    await problem(await request("GET", path), "upgrade_required");
    const response = await request("GET", path, { headers: { accept: "application/json" } });
    await problem(response, "upgrade_required");
    const stream = await request("GET", path, { headers: { accept: "application/json, text/event-stream;q=0.9" } });
    expect(stream.status).toBe(200);
    await stream.body?.cancel();
  });
});

describe("server-sent events", () => {
  it("of a key that the API key must not read are a 403", async () => {
    const response = await request("GET", subscribePath("x"), { apiKey: "agent_key_1", headers: { accept } });
    await problem(response, "forbidden");
  });

  it("arrive through the whole Worker while the request is under way", async () => {
    const key = freshKey();
    const headers = { accept, "x-api-key": "local_dev_key" };
    const response = await exports.default.fetch(`http://memx${subscribePath(key)}`, { headers });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toMatch(/^id: \d+\ndata: \{"event":"ready","revision":\d+\}\n\n$/);
    await request("POST", "/set", { body: JSON.stringify({ key, value: 1 }) });
    expect((await reader?.read())?.value).toContain('"value":1');
    await reader?.cancel();
  });

  it("can exceed the limit on unread characters if the client reads", async () => {
    const agent = createAgent();
    const key = freshKey();
    const stream = await agent.connectEventStream(subscribePath(key));
    const value = "x".repeat(250_000);
    const count = Math.ceil((1.5 * LIMITS.maxUnreadChars) / value.length);
    for (let n = 0; n < count; n++) {
      await agent.set(key, value + n);
      await stream.take(1);
    }
    await stream.take(1);
    expect(stream.events.slice(1).map(({ data }) => JSON.parse(data).value.slice(value.length))).toEqual(
      Array.from({ length: count }, (_, n) => String(n)),
    );
    await stream.reader.cancel();
  });
});

describe("an idle event stream", () => {
  afterEach(() => void vi.useRealTimers());

  it("gets a comment every 15 seconds until its client has left", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const agent = createAgent();
    const stream = await agent.connectEventStream(subscribePath(freshKey()));
    await stream.take(1);
    vi.advanceTimersByTime(14_999);
    expect(stream.comments).toEqual([]);
    for (let n = 1; n <= 3; n++) {
      vi.advanceTimersByTime(n === 1 ? 1 : 15_000);
      while (stream.comments.length < n) await scheduler.wait(1);
    }
    expect(stream.comments).toEqual([":", ":", ":"]);
    expect(stream.events).toHaveLength(1);
    await stream.reader.cancel();
    vi.advanceTimersByTime(15_000);
    while (vi.getTimerCount() > 0) await scheduler.wait(1);
  });
});

it("a snapshot of many keys has an id only at its end", async () => {
  const agent = createAgent();
  await agent.writeUnannounced(...Array.from({ length: 600 }, (_, n) => setOperation(`k${n}`, n)));
  const stream = await agent.connectEventStream("/watch?pattern=*&since=0");
  expect(await stream.takeUntilReady()).toHaveLength(601);
  expect(stream.events.filter(({ id }) => id !== undefined)).toHaveLength(1);
  await stream.reader.cancel();
});
