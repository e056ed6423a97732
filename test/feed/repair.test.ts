// Failures between a write and its channel, and their repair: by another attempt, or by the channel's alarm.

import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Channel } from "../../durable-objects/channel/channel.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { type Channels, createAgent, setOperation, setOperations } from "../support/agent.ts";
import { captureLog } from "../support/capture-log.ts";
import { freshKey, set } from "../support/client.ts";
import { breakStore, channelOf } from "../support/engine.ts";
import { connectMemx } from "../support/subscriber.ts";

afterEach(() => void vi.restoreAllMocks());

const topics = [
  ["a key", (key: string) => [`/subscribe/${key}`, key] as const],
  ["a namespace", (key: string) => [`/watch?pattern=${key}`, ""] as const],
] as const;

describe.each(topics)("the alarm of the channel of %s", (_, topicOf) => {
  it("delivers changes that were never announced, in order, also after hibernation", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const clients = [await agent.connect(path), await agent.connect(path, { plain: true })];
    await clients[0]?.takeUntilReady();
    await agent.writeUnannounced(...setOperations(key, 3));
    await agent.writeUnannounced(setOperation("another", 1));
    expect(await runDurableObjectAlarm(agent.channel(topic))).toBe(true);
    for (const client of clients) expect((await client.take(3)).map(({ value }) => value)).toEqual([0, 1, 2]);

    await agent.writeUnannounced(setOperation(key, 3));
    await agent.hibernate(topic);
    expect(await runDurableObjectAlarm(agent.channel(topic))).toBe(true);
    await agent.hibernate(topic);
    expect(await runDurableObjectAlarm(agent.channel(topic))).toBe(true);
    await agent.set(key, 4);
    for (const client of clients) expect((await client.take(2)).map(({ value }) => value)).toEqual([3, 4]);
  });

  it("sends nothing when nothing was missed", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const client = await agent.connect(path);
    await agent.set(key, 1);
    await client.take(2);
    await runDurableObjectAlarm(agent.channel(topic));
    await agent.hibernate(topic);
    await runDurableObjectAlarm(agent.channel(topic));
    await agent.set(key, 2);
    expect(await client.take(1)).toMatchObject([{ value: 2 }]);
  });

  it("sends memx.v1 clients a reset and plain clients the newest change if the log is past the gap", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const [memx, plain] = [await agent.connect(path), await agent.connect(path, { plain: true })];
    await agent.set(key, "before");
    await Promise.all([memx.take(2), plain.take(1)]);
    const missed = await agent.writeUnannounced(...setOperations(key, 1_100));
    const head = missed.at(-1)?.change.revision as number;
    await runDurableObjectAlarm(agent.channel(topic));
    expect(await memx.takeUntilReady()).toMatchObject([
      { event: "reset", revision: head },
      { event: "value", value: 1_099, revision: head, previous: 0 },
      { event: "ready", revision: head },
    ]);
    await agent.set(key, "after");
    expect(await memx.take(1)).toMatchObject([{ value: "after", previous: head }]);
    expect(await plain.take(2)).toMatchObject([{ value: 1_099 }, { value: "after" }]);
  });

  it("re-registers a watch the store has lost", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const channel = agent.channel(topic);
    const client = await agent.connect(path);
    await client.takeUntilReady();
    const token = await runInDurableObject(channel, (_, { storage }) => storage.kv.get<string>("watch"));
    await openStore(env).unwatch(agent.namespace, topic, token as string);
    const [unwatched] = await agent.writeUnannounced(setOperation(key, 1));
    expect(unwatched).toMatchObject({ watched: false, namespaceWatched: false });
    await agent.set(key, 2);
    await agent.settled();
    expect(client.texts).toHaveLength(1);
    await runDurableObjectAlarm(channel);
    expect(await client.take(2)).toMatchObject([{ value: 1 }, { value: 2 }]);
    await agent.set(key, 3);
    expect(await client.take(1)).toMatchObject([{ value: 3 }]);
  });
});

// In the only namespace whose store a test can break.
describe("a channel while the store is down", () => {
  it.each(topics)("of %s sets its alarm again, and repairs once the store is back", async (_, topicOf) => {
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const agent = createAgent({ namespace: "" });
    const channel = agent.channel(topic);
    const client = await connectMemx(path);
    await client.takeUntilReady();
    await agent.writeUnannounced(setOperation(key, 1));
    const logged = captureLog();
    const restore = await breakStore("it is down");
    for (let n = 0; n < 2; n++) {
      expect(await runDurableObjectAlarm(channel)).toBe(true);
      expect(await runInDurableObject(channel, (_, { storage }) => storage.getAlarm())).toBeGreaterThan(Date.now());
    }
    expect(client.texts).toHaveLength(1);
    expect(logged).toEqual(["repair_failed", "repair_failed"]);
    await restore();
    expect(await runDurableObjectAlarm(channel)).toBe(true);
    expect(await client.take(1)).toMatchObject([{ value: 1 }]);
    await set(key, 2);
    expect(await client.take(1)).toMatchObject([{ value: 2 }]);
    client.socket.close(1000);
    await client.closed;
  });

  it("logs a failed repair as repair_failed, with no request id", async () => {
    const key = freshKey();
    const client = await connectMemx(`/subscribe/${key}`);
    await client.takeUntilReady();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const restore = await breakStore("it is down");
    await runDurableObjectAlarm(channelOf(key));
    await restore();
    expect(warn.mock.calls).toStrictEqual([[{ event: "repair_failed", cause: expect.any(Error) }]]);
    client.socket.close(1000);
    await client.closed;
  });

  it("refuses a client that joins with since, which misses nothing once it comes back", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    const logged = captureLog();
    const restore = await breakStore("it is down");
    await expect(connectMemx(`/subscribe/${key}?since=${revision}`)).rejects.toThrow("503");
    expect(logged).toContain("store_unavailable");
    await restore();
    await set(key, 2);
    const client = await connectMemx(`/subscribe/${key}?since=${revision}`);
    expect(await client.takeUntilReady()).toMatchObject([{ value: 2 }, { event: "ready" }]);
  });
});

describe("an announcement", () => {
  /** Channels whose first calls of `publish` fail with these failures. */
  function failingChannels(failures: readonly object[]) {
    let attempts = 0;
    const channels: Channels = {
      getByName(name) {
        const channel = env.CHANNEL.getByName(name);
        return {
          fetch: (...args: Parameters<typeof channel.fetch>) => channel.fetch(...args),
          async publish(...args: Parameters<Channel["publish"]>) {
            const failure = failures[attempts++];
            if (failure) throw Object.assign(new Error("the channel failed"), failure);
            return channel.publish(...args);
          },
        };
      },
    };
    return { channels, attempts: () => attempts };
  }
  const forever = (failure: object) => Array<object>(20).fill(failure);

  it.each([
    ["once if it arrives", [], 1, true],
    ["again if it failed on the way", [{ retryable: true }], 2, true],
    ["up to four times", Array(3).fill({ retryable: true }), 4, true],
    ["no more than four times", forever({ retryable: true }), 4, false],
    ["once if the channel is overloaded", forever({ retryable: true, overloaded: true }), 1, false],
    [
      "no more once the channel says that it is overloaded",
      [{ retryable: true }, ...forever({ overloaded: true })],
      2,
      false,
    ],
    ["once if the failure is not marked retryable", forever({}), 1, false],
    ["once if the failure is marked not retryable", forever({ retryable: false, overloaded: false }), 1, false],
  ])("is sent %s", async (_, failures, attempts, arrives) => {
    const logged = captureLog();
    const failing = failingChannels(failures as object[]);
    const key = freshKey();
    const agent = createAgent({ channels: failing.channels });
    const client = await agent.connect(`/subscribe/${key}`);
    await client.takeUntilReady();
    expect(await agent.set(key, 1)).toMatchObject({ ok: true, updated: true });
    await agent.settled();
    expect(failing.attempts()).toBe(attempts);
    expect(logged).toEqual(arrives ? [] : ["publish_failed"]);
    if (arrives) expect(await client.take(1)).toMatchObject([{ value: 1 }]);
    else expect(client.texts).toHaveLength(1);
    // The change is not lost in any case.
    await runDurableObjectAlarm(agent.channel(key));
    if (!arrives) expect(await client.take(1)).toMatchObject([{ value: 1 }]);
    await agent.set(key, 2);
    await agent.settled();
    await runDurableObjectAlarm(agent.channel(key));
    expect(await client.take(1)).toMatchObject([{ value: 2 }]);
  });
});
