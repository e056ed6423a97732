// Values with a ttl: absent from the moment they expire, and announced to subscribers, on both engines.

import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { openStore } from "../../memory/store/open-store.ts";
import { ALL_KEYS, type Operation } from "../../memory/store/store.ts";
import worker from "../../worker/index.ts";
import { type Agent, createAgent } from "../support/agent.ts";
import { answer, freshKey, get, post, problem, type Written } from "../support/client.ts";
import { engine } from "../support/engine.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import { readStored } from "../support/stored-keys.ts";

const headers = { "content-type": "application/json" };

const write = async (agent: Agent, body: object): Promise<Written> => {
  const response = await agent.send("/set", { method: "POST", headers, body: JSON.stringify(body) });
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
};

const shortLived = (key: string): Operation => ({ op: "set", key, value: "1", schemaRevision: 0, ttl: 0.001 });
const over = () => scheduler.wait(5);

const history = async (agent: Agent, key: string) => {
  const { changes } = (await (await agent.send(`/history?key=${key}`)).json()) as {
    changes: { action: string; revision: number; previous: number; ts: number }[];
  };
  return changes;
};

describe("a value with a ttl", () => {
  it("is present until it expires, and absent from then on", async () => {
    const key = freshKey();
    const { ts } = await answer(post("/set", { key, value: 1, ttl: 1 }));
    const text = await get(key);
    if (Date.now() / 1000 < ts + 1) expect(JSON.parse(text)).toMatchObject({ value: 1 });
    await expect.poll(() => get(key), { interval: 10 }).toBe("null");
    expect(Date.now() / 1000 - ts).toBeGreaterThan(0.9);
    expect((await answer(post("/set", { key, value: 2, expect: 0 }))).updated).toBe(true);
  });

  it("stays when it is set again without a ttl, and lives on with a new one", async () => {
    const agent = createAgent();
    const [stays, renewed] = ["stays", "renewed"];
    for (const key of [stays, renewed]) await write(agent, { key, value: 1, ttl: 1 });
    await write(agent, { key: stays, value: 2 });
    const { revision } = await write(agent, { key: renewed, value: 2, ttl: 60 });
    await scheduler.wait(1_200);
    const read = async (key: string) => (await agent.send(`/get?key=${key}`)).json();
    expect(await read(stays)).toMatchObject({ value: 2 });
    expect(await read(renewed)).toMatchObject({ value: 2, revision });
  });

  it("that has expired is absent to a write, and its expiry comes before the write in the history", async () => {
    const agent = createAgent();
    await agent.writeUnannounced(shortLived("a"));
    await over();
    const body = JSON.stringify({ key: "a" });
    const deleted = await (await agent.send("/delete", { method: "POST", headers, body })).json();
    expect(deleted).toEqual({ ok: true, deleted: false, revision: 0 });
    const { revision } = await write(agent, { key: "a", value: 2, expect: 0 });
    const changes = await history(agent, "a");
    expect(changes.map((change) => [change.action, change.revision, change.previous])).toEqual([
      ["set", revision, revision - 1],
      ["expire", revision - 1, revision - 2],
      ["set", revision - 2, 0],
    ]);
    const [again, expired, first] = changes.map(({ ts }) => ts) as [number, number, number];
    expect(expired - first).toBeCloseTo(0.001, 5);
    expect(again).toBeGreaterThan(expired);
  });

  it("shows its expiry in the history at the first read", async () => {
    const agent = createAgent();
    await agent.writeUnannounced(shortLived("a"));
    await over();
    expect((await history(agent, "a")).map(({ action }) => action)).toEqual(["expire", "set"]);
    expect((await history(agent, "a")).length).toBe(2);
  });

  it("says when it expires, and keeps that time when a set, a batch, or a patch says so", async () => {
    const agent = createAgent();
    const keys = ["set", "batch", "patch", "patch without a word"];
    const watcher = await agent.connect("/watch?pattern=*");
    await watcher.takeUntilReady();
    for (const key of keys) await write(agent, { key, value: 1, ttl: 1_000 });
    const first = (await watcher.take(4)) as readonly { expires?: number }[];
    for (const { expires = 0 } of first) expect(Math.abs(expires - Date.now() / 1000 - 1_000)).toBeLessThan(60);
    const send = async (path: string, body: object) => {
      const response = await agent.send(path, { method: "POST", headers, body: JSON.stringify(body) });
      expect(response.status, await response.text()).toBe(200);
    };
    await send("/set", { key: "set", value: 2, ttl: "keep" });
    await send("/batch", { operations: [{ op: "set", key: "batch", value: 2, ttl: "keep" }] });
    await send("/patch", { key: "patch", increment: { by: 1 }, ttl: "keep" });
    await send("/patch", { key: "patch without a word", increment: { by: 1 } });
    const kept = keys.map((key, n) => expect.objectContaining({ key, value: 2, expires: first[n]?.expires }));
    expect(await watcher.take(4)).toEqual(kept);
    const { keys: listed } = (await (await agent.send("/keys?values=true")).json()) as { keys: object[] };
    expect(listed).toEqual(expect.arrayContaining(kept));
  });

  it("that was kept still expires, and its channel says so", async () => {
    const agent = createAgent();
    const client = await agent.connect("/subscribe/lease");
    await client.takeUntilReady();
    const operations = [1, "keep"].map((ttl) => ({ op: "set", key: "lease", value: ttl, ttl }));
    await agent.send("/batch", { method: "POST", headers, body: JSON.stringify({ operations }) });
    const events = await client.takeUntil(({ action }) => action === "expire");
    expect(events.map(({ action }) => action)).toEqual(["set", "set", "expire"]);
    expect(events.at(-1)).not.toHaveProperty("expires");
    expect(events.at(-1)).not.toHaveProperty("created");
  });

  it("has no ttl to keep if it had none, was deleted, or has expired", async () => {
    const agent = createAgent();
    await write(agent, { key: "had none", value: 1 });
    await write(agent, { key: "was deleted", value: 1, ttl: 1 });
    await agent.writeUnannounced({ op: "delete", key: "was deleted" }, shortLived("has expired"));
    await over();
    const keys = ["had none", "was deleted", "has expired", "is new"];
    for (const key of keys) {
      await write(agent, { key, value: 2, ttl: "keep" });
      const response = await agent.send(`/get?key=${encodeURIComponent(key)}`);
      expect(await response.text(), key).toMatch(/^\{"value":2,"ts":[\d.]+,"revision":\d+,"created":[\d.]+\}$/);
    }
  });

  it.each([0, 0.5, -1, "60", "Keep", "", 31_536_001, null, true, ["keep"]])("cannot have a ttl of %j", async (ttl) => {
    const message = "Must be a number of seconds from 1 to 31536000, or `keep`";
    const single = await problem(await post("/set", { key: freshKey(), value: 1, ttl }), "invalid_request");
    expect(single.errors).toEqual([{ path: "/ttl", message: expect.stringContaining(message) }]);
    const operations = [{ op: "set", key: freshKey(), value: 1, ttl }];
    const batch = await problem(await post("/batch", { operations }), "invalid_request");
    expect(batch.errors).toEqual([{ path: "/operations/0/ttl", message: expect.stringContaining(message) }]);
  });
});

describe("a subscriber", () => {
  it("to one key or to many gets the expiry within a second", async () => {
    const agent = createAgent();
    const clients = [
      await agent.connect("/subscribe/lease"),
      await agent.connect("/subscribe/lease", { plain: true }),
      await agent.connect("/watch?pattern=*"),
    ];
    const { revision, ts } = await write(agent, { key: "lease", value: "mine", ttl: 1 });
    for (const [index, client] of clients.entries()) {
      const events = await client.takeUntil(({ action }) => action === "expire");
      expect(Date.now() / 1000).toBeLessThan(ts + PATIENCE_MS / 1000);
      const expired = events.at(-1);
      expect(expired, String(index)).toEqual({
        event: "value",
        action: "expire",
        key: "lease",
        ts: expect.closeTo(ts + 1, 1),
        revision: revision + 1,
        previous: revision,
      });
    }
  });

  it("gets the expiry of a value from before it joined, and none for a renewed value", async () => {
    const agent = createAgent();
    await write(agent, { key: "before", value: 1, ttl: 2 });
    await write(agent, { key: "renewed", value: 1, ttl: 2 });
    const watcher = await agent.connect("/watch?pattern=*");
    await watcher.takeUntilReady();
    await write(agent, { key: "renewed", value: 2, ttl: 100 });
    const events = await watcher.takeUntil(({ action }) => action === "expire");
    expect(events.map(({ action, key }) => [action, key])).toEqual([
      ["set", "renewed"],
      ["expire", "before"],
    ]);
  });

  it("gets every expiry of many at once, also after the channel hibernated", async () => {
    const agent = createAgent();
    const watcher = await agent.connect("/watch?pattern=*");
    await watcher.takeUntilReady();
    const keys = Array.from({ length: 150 }, (_, n) => `k${n}`);
    const operations = keys.map((key) => ({ op: "set", key, value: 1, ttl: 2 }));
    for (const part of [operations.slice(0, 75), operations.slice(75)]) {
      const body = JSON.stringify({ operations: part });
      expect((await agent.send("/batch", { method: "POST", headers, body })).status).toBe(200);
    }
    await watcher.take(150);
    await agent.hibernate();
    const expired = await watcher.take(150);
    expect(new Set(expired.map(({ action }) => action))).toEqual(new Set(["expire"]));
    expect(new Set(expired.map(({ key }) => key)).size).toBe(150);
  });

  it("that resumes before an expiry gets it, and a snapshot omits the expired value", async () => {
    const agent = createAgent();
    const { revision: before } = await write(agent, { key: "stays", value: 1 });
    await agent.writeUnannounced(shortLived("gone"));
    await over();
    const back = await agent.connect(`/watch?pattern=*&since=${before}`);
    expect((await back.takeUntilReady()).map(({ event, action }) => action ?? event)).toEqual([
      "set",
      "expire",
      "ready",
    ]);
    const key = await agent.connect(`/subscribe/gone?since=${before}`);
    expect((await key.takeUntilReady()).map(({ event, action }) => action ?? event)).toEqual([
      "set",
      "expire",
      "ready",
    ]);
    const snapshot = await agent.connect("/watch?pattern=*&since=0");
    expect((await snapshot.takeUntilReady()).map(({ event, key }) => key ?? event)).toEqual(["stays", "ready"]);
  });

  it("gets an expiry before the write that found the value expired", async () => {
    const agent = createAgent();
    const watcher = await agent.connect("/subscribe/a");
    await watcher.takeUntilReady();
    // The channel does not know that the value will expire.
    await agent.writeUnannounced(shortLived("a"));
    await over();
    await write(agent, { key: "a", value: 2 });
    expect((await watcher.take(3)).map(({ action }) => action)).toEqual(["set", "expire", "set"]);
  });
});

describe("a value without subscribers", () => {
  it("is expired by the sweep, and then takes no space", async () => {
    const agent = createAgent();
    const store = openStore(env);
    await agent.writeUnannounced(shortLived("a"), shortLived("b"));
    await over();
    const { head } = await store.readLog(agent.namespace, ALL_KEYS, 0);
    if (engine === "embedded")
      await runDurableObjectAlarm(env.EMBEDDED_STORE.getByName(`namespace:${agent.namespace}`));
    else await worker.scheduled({} as never, env);
    const { changes } = await store.readLog(agent.namespace, ALL_KEYS, head);
    expect(changes.map(({ action, key }) => [action, key])).toEqual([
      ["expire", "a"],
      ["expire", "b"],
    ]);
    expect(await readStored(store, agent.namespace)).toEqual([]);
  });
});
