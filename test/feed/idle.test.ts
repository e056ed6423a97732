// Silence costs nothing: a channel sleeps while its subscribers only send pings.

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createAgent, setOperation } from "../support/agent.ts";
import { captureLog } from "../support/capture-log.ts";
import { freshKey } from "../support/client.ts";
import { breakStore } from "../support/engine.ts";
import { PATIENCE_MS } from "../support/patience.ts";

afterEach(() => void vi.restoreAllMocks());

const PAIR = "WebSocketRequestResponsePair";

/** Each channel creates one such pair when it wakes, and no other code does. */
function countWakeUps() {
  const made = vi.spyOn(globalThis as unknown as { WebSocketRequestResponsePair: new () => object }, PAIR);
  return () => made.mock.calls.length;
}

describe.each([
  ["a key", (key: string) => [`/subscribe/${key}`, key] as const],
  ["a namespace", (key: string) => [`/watch?pattern=${key}`, ""] as const],
])("the channel of %s with 100 idle subscribers", (_, topicOf) => {
  it("is woken only by the alarm, and by nothing once they have left", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const channel = agent.channel(topic);
    const wakeUps = countWakeUps();
    const clients = await Promise.all(
      Array.from({ length: 100 }, (_, n) => agent.connect(path, { plain: n % 2 === 0 })),
    );
    expect(wakeUps()).toBe(1);

    await evictDurableObject(channel);
    for (const round of [1, 2]) {
      for (const { socket } of clients) socket.send("ping");
      const pongs = () => clients.map(({ texts }) => texts.filter((text) => text === "pong").length);
      await expect.poll(pongs).toEqual(clients.map(() => round));
    }
    expect(wakeUps()).toBe(1);

    expect(await runDurableObjectAlarm(channel)).toBe(true);
    expect(wakeUps()).toBe(2);
    await evictDurableObject(channel);
    expect(await runDurableObjectAlarm(channel)).toBe(true);
    expect(wakeUps()).toBe(3);

    // All subscribers are still connected and still receive changes.
    const { revision } = await agent.set(key, 1);
    for (const client of clients) {
      await client.takeUntil((event) => event.event === "value" && event.revision === revision);
    }

    for (const { socket } of clients) socket.close(1000);
    await Promise.all(clients.map(({ closed }) => closed));
    await expect.poll(() => agent.sockets(topic)).toBe(0);
    expect(await runDurableObjectAlarm(channel)).toBe(true);
    expect(await runDurableObjectAlarm(channel)).toBe(false);
    expect(await runInDurableObject(channel, (_, { storage }) => storage.getAlarm())).toBeNull();
    const [applied] = await agent.writeUnannounced(setOperation(key, 2));
    expect(applied).toMatchObject({ watched: false, namespaceWatched: false });
  });

  it("deletes all that it stored when they have left, and serves the next ones", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const channel = agent.channel(topic);
    const stored = () => runInDurableObject(channel, async (_, { storage }) => [...(await storage.list()).keys()]);
    const first = await agent.connect(path);
    await agent.set(key, 1);
    await first.take(2);
    expect(await stored()).toEqual(["topic", "watch"]);
    first.socket.close(1000);
    await first.closed;
    await expect.poll(() => agent.sockets(topic)).toBe(0);
    expect(await runDurableObjectAlarm(channel)).toBe(true);
    expect(await stored()).toEqual([]);
    expect(await runInDurableObject(channel, (_, { storage }) => storage.getAlarm())).toBeNull();

    // In memory or not, the channel begins anew. Nothing of this is a change, so the head is where the cursor was.
    for (const hibernates of [false, true]) {
      if (hibernates) await agent.hibernate(topic);
      const next = await agent.connect(path);
      await next.takeUntilReady();
      await agent.hibernate(topic);
      await agent.set(key, 2);
      expect(await next.take(1)).toMatchObject([{ value: 2 }]);
      next.socket.close(1000);
      await next.closed;
      await expect.poll(() => agent.sockets(topic)).toBe(0);
      expect(await runDurableObjectAlarm(channel)).toBe(true);
      expect(await stored()).toEqual([]);
    }
  });

  it("tries again to end its watch if the store cannot be reached, also for a subscriber that never got in", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const channel = agent.channel(topic);
    const alarm = () => runInDurableObject(channel, (_, { storage }) => storage.getAlarm());
    const logged = captureLog();
    const restore = await breakStore("broken", agent.namespace);
    expect((await agent.send(path, { headers: { accept: "text/event-stream" } })).status).toBe(503);
    expect(await alarm()).not.toBeNull();
    expect(await runDurableObjectAlarm(channel)).toBe(true);
    expect(await alarm()).not.toBeNull();
    await restore();
    expect(await runDurableObjectAlarm(channel)).toBe(true);
    expect(await alarm()).toBeNull();
    expect(logged).toContain("repair_failed");
  });
});

it("a channel whose subscribers come and go between two alarms keeps one alarm, and its watch while one stays", async () => {
  const agent = createAgent();
  const key = freshKey();
  const channel = agent.channel(key);
  const alarm = () => runInDurableObject(channel, (_, { storage }) => storage.getAlarm());
  const first = await agent.connect(`/subscribe/${key}`);
  const armed = await alarm();
  expect(armed).toBeGreaterThan(Date.now());
  expect(armed).toBeLessThanOrEqual(Date.now() + 30_000);
  const second = await agent.connect(`/subscribe/${key}`);
  expect(await alarm()).toBe(armed);
  first.socket.close(1000);
  await first.closed;
  expect(await runDurableObjectAlarm(channel)).toBe(true);
  expect(await alarm()).not.toBeNull();
  await agent.set(key, 1);
  expect(await second.take(2)).toMatchObject([{ event: "ready" }, { value: 1 }]);
});

it("a channel can hibernate as soon as its subscriber has joined: no timer of a finished call keeps it awake", async () => {
  const agent = createAgent();
  const key = freshKey();
  const client = await agent.connect(`/subscribe/${key}`);
  await client.takeUntilReady();
  // Resolves when nothing keeps the object in memory.
  const began = Date.now();
  await agent.hibernate(key);
  expect(Date.now() - began).toBeLessThan(PATIENCE_MS);
});
