// What a channel with relays costs: calls between objects, rows, and who is woken. This project keeps two subscribers at each
// node.

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Channel } from "../../durable-objects/channel/channel.ts";
import { EmbeddedStore } from "../../durable-objects/embedded-store/embedded-store.ts";
import type { Join } from "../../memory/channels/join.ts";
import { createAgent } from "../support/agent.ts";
import { freshKey } from "../support/client.ts";
import { fill, HEAD, topics } from "./support/nodes.ts";

afterEach(() => void vi.restoreAllMocks());

/** Counts the calls that objects get, by their names. */
function countCalls() {
  const calls: string[] = [];
  for (const { prototype } of [Channel, EmbeddedStore] as unknown as { prototype: Record<string, () => unknown> }[]) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name === "constructor" || typeof value !== "function") continue;
      vi.spyOn(prototype, name).mockImplementation(function (this: unknown, ...args: unknown[]) {
        calls.push(name);
        return value.apply(this, args);
      });
    }
  }
  return { calls, take: () => calls.splice(0).sort() };
}

/** Counts the objects of channels that are made: each makes one such pair, and nothing else does. */
function countWakeUps() {
  const pair = "WebSocketRequestResponsePair";
  const made = vi.spyOn(globalThis as unknown as Record<typeof pair, new () => object>, pair);
  return () => made.mock.calls.length;
}

describe.each(topics)("the channel of %s", (_, topicOf) => {
  it("takes two calls of objects for a set, and one more for each relay", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { take } = countCalls();
    const first = [await agent.connect(path), await agent.connect(path)];
    for (const client of first) await client.takeUntilReady();
    take();
    for (let n = 0; n < 3; n++) {
      await agent.set(key, n);
      for (const client of first) await client.take(1);
      await agent.settled();
      expect(take()).toEqual(["publish", "write"]);
    }

    const { clients, relays } = await fill(agent, path, topic, first);
    const count = (await relays()) + (await relays(HEAD));
    expect(count).toBeGreaterThanOrEqual(3);
    await agent.settled();
    take();
    for (let n = 0; n < 3; n++) {
      await agent.set(key, n);
      for (const client of clients) await client.take(1);
      await agent.settled();
      expect(take()).toEqual([...Array(count).fill("forward"), "publish", "write"]);
    }
  });

  it("writes two rows for a change of a key that it knows: of the store, and none of the channel or a relay", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node, all } = await fill(agent, path, topic);
    const objects = [env.EMBEDDED_STORE.getByName(`namespace:${agent.namespace}`), ...all.slice(0, 3).map(node)];
    const rows = () =>
      Promise.all(
        objects.map((object) =>
          runInDurableObject(object as DurableObjectStub, (_, { storage }) =>
            Number(storage.sql.exec("SELECT total_changes() AS n").one().n),
          ),
        ),
      );
    await agent.set(key, 0);
    for (const client of clients) await client.take(1);
    const before = await rows();
    for (let n = 1; n <= 10; n++) await agent.set(key, n);
    for (const client of clients) await client.take(10);
    expect((await rows()).map((count, object) => count - (before[object] as number))).toEqual([20, 0, 0, 0]);
  });

  it("asks its parent at most three times for a thousand subscribers that join a relay at once", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { node } = await fill(agent, path, topic);
    const { calls } = countCalls();
    const join: Join = {
      namespace: agent.namespace,
      key: topic,
      keyHash: "of another API key",
      event: "value",
      patterns: topic === "" ? ["*"] : [],
      scopes: topic === "" ? ["*"] : [],
      maxUnreadChars: 1_000_000,
      control: true,
      region: HEAD.region,
      place: HEAD,
      isLastTry: true,
    };
    const headers = { upgrade: "websocket", "memx-join": btoa(JSON.stringify(join)) };
    const sockets = await Promise.all(
      Array.from({ length: 1_000 }, async () => (await node(HEAD).fetch("https://channel/", { headers })).webSocket),
    );
    expect(sockets.every((socket) => socket !== null)).toBe(true);
    expect(calls.filter((name) => name === "relayWatch").length).toBeLessThanOrEqual(3);
    expect(calls.filter((name) => name === "watch").length).toBeLessThanOrEqual(3);
    expect(calls.filter((name) => name !== "relayWatch" && name !== "watch" && name !== "fetch")).toEqual([]);
    for (const socket of sockets) {
      socket?.accept();
      socket?.close(1000);
    }
  });

  it("sleeps with all its relays: a change wakes each node once, and without one only alarms call anyone", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node, leaves } = await fill(agent, path, topic);
    const nodes = [undefined, HEAD, ...(await leaves())];
    expect(nodes.length).toBeGreaterThan(3);
    const sleep = async () => {
      for (const place of nodes)
        await evictDurableObject(node(place)).catch(() => {
          // It sleeps already.
        });
    };
    const wakeUps = countWakeUps();
    await agent.settled();
    await sleep();
    await agent.set(key, 1);
    for (const client of clients) expect(await client.take(1)).toMatchObject([{ value: 1 }]);
    expect(wakeUps()).toBe(nodes.length);

    await agent.settled();
    const { take } = countCalls();
    for (const place of nodes.toReversed()) {
      await sleep();
      const woken = wakeUps();
      expect(await runDurableObjectAlarm(node(place))).toBe(true);
      // Each asks its parent, and the channel the store.
      const levels = place === undefined ? 0 : place.index === 0 ? 1 : 2;
      expect(take()).toEqual(["alarm", ...Array(levels).fill("relayWatch"), "watch"]);
      expect(wakeUps() - woken).toBe(1 + levels);
    }
    await agent.set(key, 2);
    for (const client of clients) expect(await client.take(1)).toMatchObject([{ value: 2 }]);
  });
});
