// The limits of a channel: clients that read too slowly, and too many clients.

import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { SendWindow } from "../../durable-objects/channel/send-window.ts";
import { createAgent, setOperation } from "../support/agent.ts";
import { freshKey, problem } from "../support/client.ts";

const MIB = 1024 * 1024;

afterEach(() => void vi.restoreAllMocks());

describe("a send window", () => {
  const T0 = 1_795_416_272_000;

  it("counts what was sent since the last ping, if no read rate is assumed", () => {
    const window = new SendWindow(0);
    window.sent(2 * MIB, T0);
    window.sent(MIB, T0 + 60_000);
    window.pinged(0);
    expect(window.unread(T0 + 3_600_000)).toBe(3 * MIB);
    window.pinged(T0 + 59_000);
    expect(window.unread(T0 + 3_600_000)).toBe(MIB);
    window.pinged(T0 + 61_000);
    expect(window.unread(T0 + 3_600_000)).toBe(0);
    window.sent(7 * MIB, T0 + 3_600_000);
    window.pinged(T0 + 61_000);
    expect(window.unread(T0 + 3_600_001)).toBe(7 * MIB);
    window.pinged(T0 + 3_600_001);
    expect(window.unread(T0 + 3_600_002)).toBe(0);
  });

  it("assumes that a plain client reads at a steady rate, and never ahead of what was sent", () => {
    const window = new SendWindow(1_000);
    window.sent(5_000, T0);
    expect(window.unread(T0)).toBe(5_000);
    expect(window.unread(T0 + 1_500)).toBe(3_500);
    window.sent(1_000, T0 + 2_000);
    expect(window.unread(T0 + 2_000)).toBe(4_000);
    expect(window.unread(T0 + 60_000)).toBe(0);
    window.sent(5_000, T0 + 60_000);
    expect(window.unread(T0 + 60_000)).toBe(5_000);
  });

  it("does not grow in a whole day for a plain client that gets no more than the assumed rate", () => {
    const window = new SendWindow(1_000);
    let most = 0;
    for (let second = 0; second < 86_400; second++) {
      window.sent(1_000, T0 + second * 1_000);
      most = Math.max(most, window.unread(T0 + second * 1_000));
    }
    expect(most).toBe(1_000);
  });

  it("does not count a clock that goes back as something that was sent", () => {
    const window = new SendWindow(1_000);
    window.sent(10, T0);
    expect(window.unread(T0 - 5_000)).toBeLessThanOrEqual(10);
    window.sent(10, T0 - 5_000);
    expect(window.unread(T0 - 5_000)).toBeLessThanOrEqual(20);
  });
});

/** About 250 KB, and each event adds a little. */
const value = "x".repeat(250_000);
const eventsPastLimit = Math.ceil(LIMITS.maxUnreadChars / value.length) + 1;

describe.each([
  ["of a key", (key: string) => `/subscribe/${key}`, "?"],
  ["of patterns", (key: string) => `/watch?pattern=${key}`, "&"],
])("a memx.v1 subscriber %s", (_, pathOf, separator) => {
  it("that never pings is closed with 1013 and can resume without loss, while one that pings gets everything", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [silent, reading] = [await agent.connect(pathOf(key)), await agent.connect(pathOf(key))];
    let unconfirmed = 0;
    reading.socket.addEventListener("message", ({ data }) => {
      unconfirmed += (data as string).length;
      if (unconfirmed < MIB) return;
      unconfirmed = 0;
      reading.socket.send("ping");
    });
    await Promise.all([silent.takeUntilReady(), reading.takeUntilReady()]);
    const count = 2 * eventsPastLimit;
    for (let n = 0; n < count; n++) {
      await agent.set(key, value + n);
      await reading.take(1);
    }
    expect((await silent.closed).code).toBe(1013);
    const unread = silent.texts.join("").length;
    expect(unread).toBeGreaterThan(LIMITS.maxUnreadChars / 2);
    expect(unread).toBeLessThan(LIMITS.maxUnreadChars + 2 * value.length);

    // The client resumes from its last revision.
    const last = JSON.parse(silent.texts.at(-1) as string).revision;
    const resumed = await agent.connect(`${pathOf(key)}${separator}since=${last}`);
    const ping = setInterval(() => resumed.socket.send("ping"), 10);
    await resumed.takeUntilReady();
    clearInterval(ping);
    const changes = (texts: readonly string[]) => texts.filter((text) => text.startsWith('{"event":"value"'));
    expect([...changes(silent.texts), ...changes(resumed.texts)]).toEqual(changes(reading.texts));
    expect(changes(reading.texts)).toHaveLength(count);
  });
});

it("a ping before anything was sent does not delay the close of a slow memx.v1 subscriber", async () => {
  const agent = createAgent();
  const key = freshKey();
  const client = await agent.connect(`/subscribe/${key}`);
  await client.takeUntilReady();
  client.socket.send("ping");
  await expect.poll(() => client.texts).toContain("pong");
  // A ping confirms what was sent before it, to the millisecond.
  await scheduler.wait(5);
  for (let n = 0; n < eventsPastLimit; n++) await agent.set(key, value + n);
  await agent.settled();
  await expect.poll(() => client.socket.readyState).not.toBe(1);
  expect((await client.closed).code).toBe(1013);
});

describe("a plain subscriber", () => {
  it("is not closed at a moderate rate, although it never reports what it has read", async () => {
    const agent = createAgent();
    const key = freshKey();
    const client = await agent.connect(`/subscribe/${key}`, { plain: true });
    // With this clock, events come at half of the assumed read rate.
    const { now } = Date;
    let sentMs = 0;
    vi.spyOn(Date, "now").mockImplementation(() => now() + sentMs);
    for (let n = 0; n < 2 * eventsPastLimit; n++) {
      sentMs += (2 * 1000 * value.length) / LIMITS.assumedReadRate;
      await agent.set(key, value + n);
    }
    const events = await client.take(2 * eventsPastLimit);
    expect(events.map((event) => String(event.value).slice(value.length))).toEqual(
      Array.from({ length: 2 * eventsPastLimit }, (_, n) => String(n)),
    );
    expect(client.socket.readyState).toBe(1);
  });

  it("is closed with 1013 when it gets far more than it can have read", async () => {
    const agent = createAgent();
    const key = freshKey();
    const client = await agent.connect(`/subscribe/${key}`, { plain: true });
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now);
    for (let n = 0; n < eventsPastLimit; n++) await agent.set(key, value + n);
    expect((await client.closed).code).toBe(1013);
  });
});

describe("a snapshot above the limit on unread characters", () => {
  it("arrives completely, as fast as the client reads", async () => {
    const agent = createAgent();
    for (let n = 0; n < eventsPastLimit + 5; n++) await agent.writeUnannounced(setOperation(`${n}`, value));
    const client = await agent.connect("/watch?pattern=*&since=0");
    const events = await client.take(5);
    // Without a ping, no more than half of the limit is sent.
    await expect.poll(() => client.texts.join("").length).toBeGreaterThan(LIMITS.maxUnreadChars / 2);
    expect(client.texts.join("").length).toBeLessThan(LIMITS.maxUnreadChars);
    const ping = setInterval(() => client.socket.send("ping"), 10);
    events.push(...(await client.takeUntilReady()));
    clearInterval(ping);
    expect(events).toHaveLength(eventsPastLimit + 6);
  });
});

describe("a channel that has reached its subscriber limit", () => {
  const full = async (agent: ReturnType<typeof createAgent>, key: string) => {
    await runInDurableObject(agent.channel(key), (_, ctx) => {
      const { length } = ctx.getWebSockets();
      ctx.getWebSockets = () =>
        Array.from({ length: LIMITS.maxSubscribers + length }, () => ({ readyState: 1 }) as WebSocket);
    });
  };

  it("closes the next WebSocket with 4429", async () => {
    const agent = createAgent();
    const key = freshKey();
    await full(agent, key);
    const client = await agent.connect(`/subscribe/${key}`);
    expect(client.subprotocol).toBe("memx.v1");
    const { code, reason } = await client.closed;
    expect(code).toBe(4429);
    expect(reason).not.toBe("");
    expect(client.texts).toEqual([]);
  });

  it.each(["/watch?pattern=*", "/changes?pattern=*&since=0"])(
    "refuses %s over HTTP with 429 and Retry-After",
    async (path) => {
      const agent = createAgent();
      await full(agent, "");
      const response = await agent.fetch(path, { headers: { accept: "text/event-stream" } });
      expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
      await problem(response, "rate_limited");
    },
  );

  it("accepts a subscriber when there is room again", async () => {
    const agent = createAgent();
    const key = freshKey();
    await full(agent, key);
    expect((await (await agent.connect(`/subscribe/${key}`)).closed).code).toBe(4429);
    await runInDurableObject(agent.channel(key), (_, ctx) => {
      ctx.getWebSockets = (apiKey) =>
        Array.from({ length: apiKey ? 0 : LIMITS.maxSubscribers - 1 }, () => ({ readyState: 3 }) as WebSocket);
    });
    const client = await agent.connect(`/subscribe/${key}`);
    expect(await client.take(1)).toMatchObject([{ event: "ready" }]);
  });
});
