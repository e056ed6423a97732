// A channel with more subscribers than it keeps: they are on relays, and see what they would see on the channel. This project
// keeps two subscribers at each node.

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Channel } from "../../durable-objects/channel/channel.ts";
import type { Place } from "../../memory/channels/topic.ts";
import { createAgent, setOperation, setOperations } from "../support/agent.ts";
import { freshKey } from "../support/client.ts";
import { createRandom } from "../support/random.ts";
import { fill, HEAD, topics } from "./support/nodes.ts";

afterEach(() => void vi.restoreAllMocks());

describe.each(topics)("the channel of %s with relays", (_, topicOf) => {
  it("sends every subscriber every change, once and in order, whichever nodes sleep", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node, all } = await fill(agent, path, topic);
    const random = createRandom(topic === "" ? "namespace" : "key");
    for (let n = 0; n < 30; n++) {
      if (random.chance(0.5))
        await evictDurableObject(node(random.pick(all))).catch(() => {
          // It sleeps already.
        });
      await agent.set(key, n);
    }
    for (const client of clients)
      expect((await client.take(30)).map(({ value }) => value)).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });

  it("goes on with the first change after all of it slept", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node, all } = await fill(agent, path, topic);
    for (let n = 0; n < 3; n++) {
      for (const place of all)
        await evictDurableObject(node(place)).catch(() => {
          // It sleeps already.
        });
      await agent.set(key, n);
      for (const client of clients) expect(await client.take(1)).toMatchObject([{ value: n }]);
    }
  });

  it("reads the log where changes were never announced, or a node crashed", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node } = await fill(agent, path, topic);
    await agent.writeUnannounced(...setOperations(key, 3));
    await agent.set(key, 3);
    for (const client of clients) expect((await client.take(4)).map(({ value }) => value)).toEqual([0, 1, 2, 3]);
    // The channel loses its sockets and its cursor, and keeps its relays.
    await evictDurableObject(node(), { webSockets: "close" });
    await agent.set(key, 4);
    for (const client of clients.slice(2)) expect(await client.take(1)).toMatchObject([{ value: 4 }]);
    await agent.writeUnannounced(setOperation(key, 5));
    expect(await runDurableObjectAlarm(node())).toBe(true);
    for (const client of clients.slice(2)) expect(await client.take(1)).toMatchObject([{ value: 5 }]);
  });

  it("replays what a subscriber of a relay missed", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    await fill(agent, path, topic);
    const { revision } = await agent.set(key, "seen");
    await agent.set(key, "missed");
    const client = await agent.connect(`${path}${path.includes("?") ? "&" : "?"}since=${revision}`);
    expect(await client.takeUntilReady()).toMatchObject([{ value: "missed" }, { event: "ready" }]);
    await agent.set(key, "live");
    expect(await client.take(1)).toMatchObject([{ value: "live" }]);
  });

  it("resets subscribers of relays if the log is past what they missed", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node } = await fill(agent, path, topic);
    await agent.writeUnannounced(...setOperations(key, 1_100));
    expect(await runDurableObjectAlarm(node())).toBe(true);
    for (const [n, client] of clients.entries()) {
      if (n % 3 === 2) expect(await client.take(1)).toMatchObject([{ value: 1_099 }]);
      else expect(await client.takeUntilReady()).toMatchObject([{ event: "reset" }, { value: 1_099 }, {}]);
    }
    await agent.set(key, "after");
    for (const client of clients) expect(await client.take(1)).toMatchObject([{ value: "after" }]);
  });

  it("takes one call to each relay for a change, and none while nothing happens", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, relays } = await fill(agent, path, topic);
    const forward = vi.spyOn(Channel.prototype, "forward");
    const count = (await relays()) + (await relays(HEAD));
    expect(count).toBeGreaterThanOrEqual(3);
    for (let n = 1; n <= 5; n++) {
      await agent.set(key, n);
      for (const client of clients) await client.take(1);
      await agent.settled();
      expect(forward).toHaveBeenCalledTimes(n * count);
    }
  });

  it("writes no row for an event, and empties when its subscribers have left", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node, relays, all, sockets } = await fill(agent, path, topic);
    const rows = async (place?: Place) =>
      runInDurableObject(node(place), (_, { storage }) => storage.sql.exec("SELECT total_changes() AS n").one().n);
    const places = all.slice(0, 3);
    const before = await Promise.all(places.map(rows));
    for (let n = 0; n < 10; n++) await agent.set(key, n);
    for (const client of clients) await client.take(10);
    expect(await Promise.all(places.map(rows))).toEqual(before);
    expect(await relays()).toBe(1);
    expect(await relays(HEAD)).toBeGreaterThan(0);
    for (const { socket, closed } of clients) {
      socket.close(1000);
      await closed;
    }
    for (const place of all.toReversed()) {
      await expect.poll(() => sockets(place)).toBe(0);
      await runDurableObjectAlarm(node(place));
      expect(
        await runInDurableObject(node(place), async (_, { storage }) => [...(await storage.list()).keys()]),
      ).toEqual([]);
    }
  });

  it("drops a relay only by the token of its last registration", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const { clients, node } = await fill(agent, path, topic);
    const tokens = () =>
      runInDurableObject(node(), (_, { storage }) => storage.kv.get<Record<string, string>>("relays"));
    const about = { namespace: agent.namespace, key: topic };
    await node().relayUnwatch(about, HEAD, "another");
    expect(Object.keys((await tokens()) ?? {})).toHaveLength(1);
    await agent.set(key, 1);
    for (const client of clients) expect(await client.take(1)).toMatchObject([{ value: 1 }]);
    const [token] = Object.values((await tokens()) ?? {});
    await node().relayUnwatch(about, HEAD, token as string);
    await agent.set(key, 2);
    for (const client of clients.slice(0, 2)) expect(await client.take(1)).toMatchObject([{ value: 2 }]);
    // The alarm of the head registers it again, and finds what it missed.
    expect(await runDurableObjectAlarm(node(HEAD))).toBe(true);
    await agent.set(key, 3);
    for (const client of clients.slice(2)) expect((await client.take(2)).map(({ value }) => value)).toEqual([2, 3]);
  });
});
