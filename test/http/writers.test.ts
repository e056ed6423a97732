// Writers that name themselves with `x-memx-agent`: who changed what, everywhere a change or an entry is shown.

import { describe, expect, it } from "vitest";
import { type Agent, createAgent } from "../support/agent.ts";
import { answer, freshKey, get, post, problem, request, set } from "../support/client.ts";
import { connectMemx, subscribe } from "../support/subscriber.ts";

const NAME = "planner, the 2nd";
const named = (by: string, more: Record<string, string> = {}) => ({ headers: { "x-memx-agent": by, ...more } });

/** Sends a write under a name. */
async function send(agent: Agent, by: string | undefined, path: string, body?: object): Promise<Response> {
  const headers = { "content-type": "application/json", ...(by !== undefined && { "x-memx-agent": by }) };
  return body
    ? agent.send(path, { method: "POST", headers, body: JSON.stringify(body) })
    : agent.send(path, { method: "DELETE", headers });
}

const writes: [string, (agent: Agent, by: string) => Promise<Response>][] = [
  ["a set", (agent, by) => send(agent, by, "/set", { key: "a", value: 1 })],
  ["a patch", (agent, by) => send(agent, by, "/patch", { key: "a", increment: { by: 1 } })],
  ["a batch", (agent, by) => send(agent, by, "/batch", { operations: [{ op: "set", key: "a", value: 2 }] })],
  ["a delete", (agent, by) => send(agent, by, "/delete", { key: "a" })],
  ["a write of a schema", (agent, by) => send(agent, by, "/schema", { key: "a", schema: true })],
  ["a deletion of a schema", (agent, by) => send(agent, by, "/schema?key=a")],
];

describe("a named writer", () => {
  it("is shown as `by` with each of its changes: to every kind of subscriber, and in the history", async () => {
    const agent = createAgent();
    const watcher = await agent.connect("/watch?pattern=*&event=all");
    const plain = await agent.connect("/subscribe/a?event=all", { plain: true });
    const stream = await agent.connectEventStream("/watch?pattern=*&event=all");
    await watcher.takeUntilReady();
    await stream.takeUntilReady();
    const begin = JSON.parse(watcher.texts[0] as string).revision;
    for (const [what, write] of writes) {
      const response = await write(agent, NAME);
      expect(response.status, `${what}: ${await response.clone().text()}`).toBe(200);
    }
    const byNames = writes.map(() => expect.objectContaining({ by: NAME }));
    expect(await watcher.take(writes.length)).toEqual(byNames);
    expect(await plain.take(writes.length)).toEqual(byNames);
    expect(await stream.take(writes.length)).toEqual(byNames);
    const json = async (path: string) => (await agent.send(path)).json();
    expect(await json(`/changes?pattern=*&event=all&since=${begin}`)).toMatchObject({ changes: byNames });
    expect(await json("/history?key=a")).toMatchObject({ changes: byNames });
    const later = await agent.connect(`/watch?pattern=*&event=all&since=${begin}`);
    expect((await later.takeUntilReady()).slice(0, -1)).toEqual(byNames);
  });

  it("is shown as `by` with what it set, until another writer sets it", async () => {
    const agent = createAgent();
    const value = (await (await send(agent, NAME, "/set", { key: "a", value: 1, ttl: 100 })).json()) as { ts: number };
    await send(agent, "guard", "/schema", { key: "a", schema: true });
    const text = async (path: string) => (await agent.send(path)).text();
    const entry = JSON.parse(await text("/get?key=a"));
    expect(entry).toEqual({ ...entry, value: 1, created: value.ts, expires: expect.any(Number), by: NAME });
    expect(Object.keys(entry)).toEqual(["value", "ts", "revision", "created", "expires", "by"]);
    expect(JSON.parse(await text("/keys?values=true"))).toEqual({ keys: [{ key: "a", ...entry }], cursor: null });
    const { ts, revision } = entry;
    expect(JSON.parse(await text("/keys"))).toEqual({ keys: [{ key: "a", ts, revision }], cursor: null });
    expect(JSON.parse(await text("/schema?key=a"))).toMatchObject({ schema: true, by: "guard" });
    const late = await problem(await send(agent, "late", "/set", { key: "a", value: 2, expect: 0 }), "conflict");
    expect(late.current).toEqual(entry);
    const lateSchema = await send(agent, "late", "/schema", { key: "a", schema: false, expect: 0 });
    expect((await problem(lateSchema, "conflict")).current).toMatchObject({ schema: true, by: "guard" });
    const snapshot = await agent.connect("/watch?pattern=*&event=all&since=0");
    expect(await snapshot.take(2)).toMatchObject([
      { event: "schema", by: "guard" },
      { event: "value", ...entry, action: "set", key: "a" },
    ]);
    await send(agent, undefined, "/set", { key: "a", value: 2 });
    await send(agent, undefined, "/schema", { key: "a", schema: true });
    expect(await text("/get?key=a")).not.toContain('"by"');
    expect(await text("/schema?key=a")).not.toContain('"by"');
  });

  it("is not shown with an expiry, which has no writer", async () => {
    const agent = createAgent();
    const watcher = await agent.connect("/subscribe/a");
    await watcher.takeUntilReady();
    await send(agent, NAME, "/set", { key: "a", value: 1, ttl: 1 });
    const [set, expired] = await watcher.takeUntil(({ action }) => action === "expire");
    expect([set, expired]).toMatchObject([{ by: NAME }, { action: "expire" }]);
    expect(expired).not.toHaveProperty("by");
  });

  it.each(["a", "~".repeat(64), `x${" ".repeat(62)}x`, '"\\', '","revision":1,"previous":0}', "0 0 0 0", "{}", "'"])(
    "may be called %s",
    async (by) => {
      const agent = createAgent();
      const stream = await agent.connectEventStream("/subscribe/a");
      const { revision } = (await (await send(agent, by, "/set", { key: "a", value: 1 })).json()) as never;
      expect((await stream.take(2))[1]).toMatchObject({ by, revision });
      expect(stream.events[1]?.id).toBe(String(revision));
      const poll = await (await agent.send(`/changes?pattern=*&since=${revision - 1}`)).json();
      expect(poll).toMatchObject({ changes: [{ by, previous: 0 }], revision });
      expect(await (await agent.send("/get?key=a")).json()).toMatchObject({ by });
    },
  );

  it.each([
    "",
    "~".repeat(65),
    "é",
    "a\tb",
    "名前"
      .split("")
      .map(() => "\u00ff")
      .join(""),
  ])("must not be called %j, in any write, and then nothing is written", async (by) => {
    const agent = createAgent();
    await agent.set("a", 1);
    await agent.setSchema("a", true);
    const before = await (await agent.send("/history?key=a")).text();
    for (const [, write] of writes) {
      const { detail } = await problem(await write(agent, by), "invalid_request");
      expect(detail).toContain("x-memx-agent");
      expect(detail).not.toContain(by === "" ? "\0" : by);
    }
    expect(await (await agent.send("/history?key=a")).text()).toBe(before);
  });

  it("gets the first outcome for a repeat, and keeps the first name, whatever name the repeat has", async () => {
    const key = freshKey();
    const id = crypto.randomUUID();
    const watcher = await connectMemx(`/subscribe/${encodeURIComponent(key)}`);
    await watcher.takeUntilReady();
    const write = (by: string, path: string, body: object) =>
      answer<object>(post(path, body, named(by, { "idempotency-key": `${id}${path}` })));
    const first = await write("first", "/set", { key, value: 1 });
    expect(await write("second", "/set", { key, value: 1 })).toEqual(first);
    const patch = {
      key,
      patch: [
        { op: "test", path: "", value: 1 },
        { op: "replace", path: "", value: 2 },
      ],
    };
    const patched = await write("first", "/patch", patch);
    expect(await write("second", "/patch", patch)).toEqual(patched);
    expect(JSON.parse(await get(key))).toMatchObject({ value: 2, by: "first" });
    await set(key, "last");
    expect((await watcher.take(3)).map((event) => (event as { by?: string }).by)).toEqual([
      "first",
      "first",
      undefined,
    ]);
  });
});

describe("a writer without a name", () => {
  it("leaves every text as it was: of plain subscribers to the last character, of entries but for `created`", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key, { event: "all" });
    const created = await set(key, 1);
    const { revision, ts } = await set(key, { x: 2 });
    await answer(post("/delete", { key }));
    await subscriber.take(3);
    expect(subscriber.texts[1]).toBe(
      `{"event":"value","action":"set","key":"${key}","value":{"x":2},"ts":${ts},"revision":${revision},"previous":${created.revision}}`,
    );
    expect(subscriber.texts[2]).toMatch(/"ts":[\d.]+,"revision":\d+,"previous":\d+\}$/);
    expect(subscriber.texts.join()).not.toMatch(/"(created|expires|by)"/);
  });

  it("is one whose request is a read, whatever the header says", async () => {
    const key = freshKey();
    await set(key, 1);
    const response = await request("GET", `/get?key=${encodeURIComponent(key)}`, named("é"));
    expect(response.status).toBe(200);
  });
});

it("a page of another origin may send the header", async () => {
  const response = await request("OPTIONS", "/set", {
    apiKey: null,
    headers: {
      origin: "https://agents.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "x-api-key, x-memx-agent, idempotency-key",
    },
  });
  expect(response.status).toBe(204);
  const allowed = (response.headers.get("access-control-allow-headers") ?? "").toLowerCase().split(/ *, */);
  expect(allowed).toEqual(expect.arrayContaining(["x-api-key", "x-memx-agent", "idempotency-key"]));
});
