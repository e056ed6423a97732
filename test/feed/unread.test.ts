// Memory that clients which do not read could take: of one API key, of a channel, and of joins.

import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { channelEvents } from "../../worker/streams/channel-events.ts";
import { createAgent } from "../support/agent.ts";
import { freshKey } from "../support/client.ts";

afterEach(() => void vi.restoreAllMocks());

const value = "x".repeat(250_000);
const unreadOf = (clients: readonly { texts: readonly string[]; socket: WebSocket }[]) =>
  clients
    .filter(({ socket }) => socket.readyState === WebSocket.OPEN)
    .reduce((sum, { texts }) => sum + texts.join("").length, 0);

describe.each([
  ["a key", (key: string) => `/subscribe/${key}`],
  ["a namespace", (key: string) => `/watch?pattern=${key}`],
])("the sockets of one API key at the channel of %s", (_, pathOf) => {
  it("are closed with 1013, the slowest first, if they do not read; one of another API key gets everything", async () => {
    const key = freshKey();
    const agent = createAgent();
    const hostile = createAgent({ namespace: agent.namespace, apiKey: freshKey() });
    const reading = await agent.connect(pathOf(key));
    reading.socket.addEventListener("message", ({ data }) => data !== "pong" && reading.socket.send("ping"));
    await reading.takeUntilReady();
    const silent = await Promise.all(Array.from({ length: 60 }, () => hostile.connect(pathOf(key))));
    for (const client of silent) await client.takeUntilReady();
    const values = 20;
    let most = 0;
    for (let n = 0; n < values; n++) {
      await agent.set(key, value + n);
      await reading.take(1);
      most = Math.max(most, unreadOf(silent));
    }
    const slack = LIMITS.maxUnreadApiKeyChars / 16 + 2 * value.length;
    expect(most).toBeLessThan(LIMITS.maxUnreadApiKeyChars + slack);
    const closed = silent.filter(({ socket }) => socket.readyState !== WebSocket.OPEN);
    expect(closed.length).toBeGreaterThan(20);
    expect(closed.length).toBeLessThan(60);
    for (const client of closed) expect((await client.closed).code).toBe(1013);
    expect(reading.socket.readyState).toBe(WebSocket.OPEN);
  });
});

it("joins of one API key send no more than half of its limit ahead of what the clients read", async () => {
  const agent = createAgent();
  for (let n = 0; n < 12; n++) await agent.set(`large:${n}`, value);
  const clients = await Promise.all(Array.from({ length: 20 }, () => agent.connect("/watch?pattern=large:*&since=0")));
  const half = LIMITS.maxUnreadApiKeyChars / 2;
  await expect.poll(() => unreadOf(clients)).toBeGreaterThan(half);
  await scheduler.wait(200);
  expect(unreadOf(clients)).toBeLessThan(half + 2 * value.length);
  // All of them arrive once the clients read.
  const pings = setInterval(() => {
    for (const { socket } of clients) socket.send("ping");
  }, 10);
  for (const client of clients) expect(await client.takeUntilReady()).toHaveLength(13);
  clearInterval(pings);
});

it("a socket that does not read is still known after hibernation", async () => {
  const agent = createAgent();
  const key = freshKey();
  const silent = await Promise.all(Array.from({ length: 5 }, () => agent.connect(`/subscribe/${key}`)));
  for (const client of silent) await client.takeUntilReady();
  const isOpen = () => silent.some(({ socket }) => socket.readyState === WebSocket.OPEN);
  for (let n = 0; n < 100 && isOpen(); n++) {
    await agent.set(key, value + n);
    await agent.settled();
    if (n % 12 === 11 && isOpen()) await agent.hibernate(key);
  }
  for (const { closed } of silent) expect((await closed).code).toBe(1013);
});

it("streams of an isolate whose readers do not read are ended, the slowest first", async () => {
  const streams = Array.from({ length: 50 }, (_, n) => {
    const { 0: client, 1: server } = new WebSocketPair();
    const codes: number[] = [];
    server.addEventListener("close", ({ code }) => codes.push(code));
    server.accept();
    const events = channelEvents(client);
    server.send("x".repeat(n === 0 ? 10 : 1024 * 1024 + n));
    return { codes, events, n };
  });
  const fit = LIMITS.maxUnreadIsolateChars / (1024 * 1024) - 1;
  const ended = () => streams.filter(({ codes }) => codes.length > 0);
  await expect.poll(() => ended().length).toBe(streams.length - 1 - fit);
  expect(new Set(ended().flatMap(({ codes }) => codes))).toEqual(new Set([1013]));
  expect(ended().some(({ n }) => n === 0)).toBe(false);
  // The others still have what they were sent.
  for (const { events, n, codes } of streams) {
    if (codes.length > 0) continue;
    for await (const text of events) {
      expect(text.length).toBeGreaterThan(n);
      events.close();
    }
  }
});

describe("the places of one API key", () => {
  it("count the subscribers that are on their way in", async () => {
    const agent = createAgent();
    const key = freshKey();
    const first = await agent.connect(`/subscribe/${key}`);
    await runInDurableObject(agent.channel(key), (_, ctx) => {
      const { getWebSockets } = ctx;
      const [tag] = ctx.getTags(ctx.getWebSockets()[0] as WebSocket);
      const others = Array.from(
        { length: LIMITS.maxSubscribersPerApiKey - 3 },
        () => ({ readyState: WebSocket.OPEN }) as WebSocket,
      );
      ctx.getWebSockets = (of) =>
        of === tag ? [...others, ...getWebSockets.call(ctx, of)] : getWebSockets.call(ctx, of);
    });
    const clients = await Promise.all(Array.from({ length: 6 }, () => agent.connect(`/subscribe/${key}`)));
    const refused = clients.filter(({ socket }) => socket.readyState !== WebSocket.OPEN);
    for (const { closed } of refused) expect((await closed).code).toBe(4429);
    await expect.poll(() => clients.filter(({ texts }) => texts.length > 0).length).toBe(2);
    expect(first.socket.readyState).toBe(WebSocket.OPEN);
  });
});
