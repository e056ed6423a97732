// Live changes through the SDK: each once and in order, over one socket, whatever happens to that socket.

import { exports } from "cloudflare:workers";
import { expect, it, onTestFinished } from "vitest";
import {
  type ChangeEvent,
  ForbiddenError,
  InvalidRequestError,
  MemxError,
  type Subscription,
  type SubscriptionStatus,
  UnauthorizedError,
} from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx, type TestClient, TestSocket } from "../support/sdk-client.ts";

const quick = { pingIntervalMs: 50, pingTimeoutMs: 100 };

function open({ sockets }: TestClient) {
  return sockets.filter((socket) => socket.open);
}

/** Collects the events of a subscription. */
function collect<E extends ChangeEvent>(subscription: Subscription<E>) {
  const events: E[] = [];
  subscription.listen((event) => events.push(event));
  const values = () => events.map((event) => (event.event === "value" ? event.value : event.schema));
  onTestFinished(() => subscription.close());
  return { events, values };
}

it("calls a listener with each change after `ready`", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.set(key, "before");
  const values: unknown[] = [];
  const subscription = memx.subscribe(key, (event) => values.push(event.value));
  await subscription.ready;
  await memx.set(key, 1);
  await memx.set(`${key}:other`, "not mine");
  await memx.delete(key);
  await memx.set(key, 2);
  await expect.poll(() => values).toEqual([1, undefined, 2]);
});

it("begins with a snapshot on request, and continues with live changes", async () => {
  const { memx } = connectMemx();
  const prefix = freshKey();
  await memx.set(`${prefix}:a`, 1);
  await memx.set(`${prefix}:b`, 2);
  const subscription = memx.watch(`${prefix}:*`, { snapshot: true });
  const seen: unknown[] = [];
  for await (const { key, value } of subscription) {
    seen.push([key.at(-1), value]);
    if (seen.length === 2) await memx.set(`${prefix}:a`, 3);
    if (seen.length === 3) break;
  }
  expect(seen.slice(0, 2).sort()).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
  expect(seen[2]).toEqual(["a", 3]);
  expect(subscription.status).toBe("closed");
});

it("continues where another process ended", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const { revision } = await memx.set(key, 1);
  await memx.set(key, 2);
  await memx.set(key, 3);
  const { values } = collect(memx.subscribe(key, { since: revision }));
  await expect.poll(values).toEqual([2, 3]);
});

it("delivers schemas, values or both", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const schemas = collect(memx.subscribe(key, { event: "schema" }));
  const all = memx.subscribe(key, { event: "all" });
  const both = collect(all);
  const values = collect(memx.subscribe(key));
  await all.ready;
  await memx.setSchema(key, { type: "number" });
  await memx.set(key, 1);
  await expect.poll(both.values).toEqual([{ type: "number" }, 1]);
  await expect.poll(values.values).toEqual([1]);
  expect(schemas.values()).toEqual([{ type: "number" }]);
});

it("uses one socket for any number of keys, and each subscription receives only its own changes", async () => {
  const client = connectMemx();
  const { memx } = client;
  const prefix = freshKey();
  const keys = Array.from({ length: 200 }, (_, n) => `${prefix}:${n}`);
  const subscriptions = keys.map((key) => memx.subscribe(key));
  const collected = subscriptions.map(collect);
  await Promise.all(subscriptions.map(({ ready }) => ready));
  expect(client.sockets).toHaveLength(1);
  for (const key of keys.slice(0, 5)) await memx.set(key, key);
  await memx.set(`${prefix}:none`, 1);
  await memx.set(keys[199] as string, "last");
  await expect.poll(() => collected[199]?.values()).toEqual(["last"]);
  expect(collected.flatMap(({ values }) => values())).toEqual([...keys.slice(0, 5), "last"]);
});

it("delivers every change once while other subscriptions come and go", async () => {
  const client = connectMemx();
  const { memx } = client;
  const key = freshKey();
  const first = memx.subscribe(key);
  const { values } = collect(first);
  await first.ready;
  let stop = false;
  const written: number[] = [];
  const writing = (async () => {
    for (let n = 0; !stop; n++) {
      await memx.set(key, n);
      written.push(n);
    }
  })();
  for (let n = 0; n < 10; n++) {
    const late = memx.subscribe([key, `${key}:${n}`], { snapshot: true });
    const other = collect(late);
    await late.ready;
    await memx.set(`${key}:${n}`, "new");
    await expect.poll(other.values).toContain("new");
    const numbers = other.values().filter((value) => typeof value === "number");
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] as number) + index));
    late.close();
  }
  stop = true;
  await writing;
  await expect.poll(() => values().length).toBe(written.length);
  expect(values()).toEqual(written);
  await expect.poll(() => open(client).length).toBe(1);
});

it("reconnects after its socket broke, and misses nothing", async () => {
  const client = connectMemx();
  const { memx, sockets } = client;
  const key = freshKey();
  const statuses: SubscriptionStatus[] = [];
  const subscription = memx.subscribe(key, { onStatus: (status) => statuses.push(status) });
  const { values } = collect(subscription);
  await subscription.ready;
  for (let round = 0; round < 3; round++) {
    await memx.set(key, `${round} before`);
    sockets.at(-1)?.cut();
    await memx.set(key, `${round} after`);
    await expect.poll(() => values().length).toBe(2 * (round + 1));
  }
  expect(values()).toEqual([0, 1, 2].flatMap((round) => [`${round} before`, `${round} after`]));
  await expect.poll(() => statuses).toEqual(["live", "connecting", "live", "connecting", "live", "connecting", "live"]);
  expect(new URL(sockets.at(-1)?.url as string).searchParams.get("since")).toMatch(/^\d+$/);
});

it("notices a socket that has gone silent", async () => {
  const client = connectMemx(quick);
  const { memx, sockets } = client;
  const key = freshKey();
  const subscription = memx.subscribe(key);
  const { values } = collect(subscription);
  await subscription.ready;
  (sockets[0] as { silent: boolean }).silent = true;
  await memx.set(key, "while it was silent");
  await expect.poll(values).toEqual(["while it was silent"]);
  expect(sockets.length).toBeGreaterThanOrEqual(2);
});

it("keeps a socket that responds to pings", async () => {
  const { memx, sockets } = connectMemx({ pingIntervalMs: 50, pingTimeoutMs: 2_000 });
  const subscription = memx.subscribe(freshKey());
  await subscription.ready;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(sockets).toHaveLength(1);
  expect(subscription.status).toBe("live");
});

it("notices a handshake without a response", async () => {
  let sockets = 0;
  class Deaf extends TestSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      this.silent = sockets++ < 2;
    }
  }
  const { memx } = connectMemx({ ...quick, WebSocket: Deaf });
  const subscription = memx.subscribe(freshKey());
  await subscription.ready;
  expect(sockets).toBeGreaterThanOrEqual(3);
});

it("confirms what it has read of a replay, which is larger than what memX lets wait", async () => {
  let isOut = false;
  const opened: TestSocket[] = [];
  class Socket extends TestSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      if (isOut) queueMicrotask(() => this.cut());
      else opened.push(this);
    }
  }
  const { memx } = connectMemx({ WebSocket: Socket });
  const prefix = freshKey();
  const subscription = memx.watch(`${prefix}:*`);
  const { events } = collect(subscription);
  await subscription.ready;
  isOut = true;
  opened[0]?.cut();
  const keys = Array.from({ length: 60 }, (_, n) => `${prefix}:${n}`);
  for (const key of keys) await memx.set(key, "x".repeat(200_000));
  isOut = false;
  await expect.poll(() => events.map(({ key }) => key)).toEqual(keys);
  // Else it would have given up, and gone on with another one.
  expect(opened).toHaveLength(2);
});

it("confirms what it has read, so that memX sends more than it lets wait", async () => {
  const client = connectMemx();
  const { memx, sockets } = client;
  const key = freshKey();
  const subscription = memx.subscribe(key);
  const { events } = collect(subscription);
  await subscription.ready;
  const value = "x".repeat(250_000);
  for (let n = 0; n < 40; n++) await memx.set(key, value);
  await expect.poll(() => events.length).toBe(40);
  expect(sockets).toHaveLength(1);
});

it("catches up every subscription from its own revision after a reset of the socket", async () => {
  const sockets: TestSocket[] = [];
  let tamper = (url: string) => url;
  class Tampered extends TestSocket {
    constructor(url: string, protocols: string[]) {
      super(tamper(url), protocols);
      sockets.push(this);
    }
  }
  const { memx } = connectMemx({ WebSocket: Tampered });
  const key = freshKey();
  const resets: number[] = [];
  const subscription = memx.subscribe(key, { onReset: (revision) => resets.push(revision) });
  const { values } = collect(subscription);
  await subscription.ready;
  await memx.set(key, 1);
  await expect.poll(values).toEqual([1]);
  // The client reconnects as if it were ahead of memX.
  tamper = (url) => url.replace(/since=\d+/, "since=9000000000000000");
  sockets[0]?.cut();
  await memx.set(key, 2);
  await expect.poll(values).toEqual([1, 2]);
  expect(sockets.length).toBeGreaterThan(1);
  await memx.set(key, 3);
  await expect.poll(values).toEqual([1, 2, 3]);
  // memX's log still had what this subscription missed.
  expect(resets).toEqual([]);
});

it.each([1, 10])("misses none of %i changes that happen during its catch-up", async (count) => {
  const key = freshKey();
  const { memx: writer } = connectMemx();
  await writer.set(key, "before");
  const live = writer.subscribe(key);
  const { values: liveValues } = collect(live);
  await live.ready;
  let responses = 0;
  const fetch = async (url: string, init: RequestInit) => {
    const response = await exports.default.fetch(new Request(url, init));
    if (!url.includes("/changes?") || responses++ > 0) return response;
    // After memX has responded, and before the response arrives.
    const text = await response.text();
    for (let n = 0; n < count; n++) await writer.set(key, n);
    await expect.poll(() => liveValues().length).toBe(count);
    return new Response(text);
  };
  const { memx } = connectMemx({ fetch });
  const { values } = collect(memx.subscribe(key, { snapshot: true, buffer: 5 }));
  const expected = ["before", ...Array.from({ length: count }, (_, n) => n)];
  await expect.poll(values).toEqual(expected);
  // A second response has what does not fit the buffer.
  expect(responses).toBe(count > 5 ? 2 : 1);
});

it("keeps the other subscriptions when memX refuses the socket of a new one", async () => {
  let refuse = false;
  class Refused extends TestSocket {
    constructor(url: string, protocols: string[]) {
      super(refuse ? url.replace("event=value", "event=nonsense") : url, protocols);
    }
  }
  const { memx } = connectMemx({ WebSocket: Refused });
  const key = freshKey();
  const first = memx.subscribe(key);
  const { values } = collect(first);
  await first.ready;
  refuse = true;
  await expect(memx.subscribe(freshKey()).done).rejects.toBeInstanceOf(InvalidRequestError);
  await memx.set(key, "still there");
  await expect.poll(values).toEqual(["still there"]);
  expect(first.status).toBe("live");
});

it("buffers no more than its limit for a slow consumer, and loses nothing", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const statuses: SubscriptionStatus[] = [];
  const subscription = memx.subscribe(key, { buffer: 5, onStatus: (status) => statuses.push(status) });
  const quickOne = collect(memx.subscribe(key));
  await subscription.ready;
  for (let n = 0; n < 40; n++) await memx.set(key, n);
  await expect.poll(() => quickOne.values().length).toBe(40);
  expect(statuses).toContain("behind");
  const seen: unknown[] = [];
  for await (const { value } of subscription) {
    seen.push(value);
    if (seen.length === 40) await memx.set(key, "after");
    if (value === "after") break;
  }
  expect(seen).toEqual([...Array.from({ length: 40 }, (_, n) => n), "after"]);
});

it("waits for a listener before it calls it again", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const log: string[] = [];
  const subscription = memx.subscribe(key, async ({ value }) => {
    log.push(`begin ${value}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    log.push(`end ${value}`);
  });
  await subscription.ready;
  await memx.set(key, 1);
  await memx.set(key, 2);
  await expect.poll(() => log).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
});

it("reports a reset and sends a snapshot if memX no longer knows what was missed", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.set(key, "held");
  const resets: number[] = [];
  // A revision of another memory, ahead of this one.
  const { values } = collect(memx.subscribe(key, { since: 9_000_000_000_000_000, onReset: (at) => resets.push(at) }));
  await expect.poll(values).toEqual(["held"]);
  expect(resets).toHaveLength(1);
  await memx.set(key, "next");
  await expect.poll(values).toEqual(["held", "next"]);
});

it("ends with a refusal if the API key is unknown", async () => {
  const { memx } = connectMemx({ apiKey: "unknown_key" });
  const subscription = memx.subscribe(freshKey());
  await expect(subscription.ready).rejects.toBeInstanceOf(UnauthorizedError);
  expect(subscription.status).toBe("closed");
  await expect(Array.fromAsync(memx.watch("*"))).rejects.toBeInstanceOf(UnauthorizedError);
});

it("ends with a refusal if the API key must not read the key, and keeps the other subscriptions", async () => {
  const client = connectMemx({ apiKey: "agent_key_1" });
  const { memx } = client;
  const good = memx.subscribe("memx:query");
  await good.ready;
  const bad = memx.subscribe("secret");
  await expect(bad.done).rejects.toBeInstanceOf(ForbiddenError);
  expect(good.status).toBe("live");
});

it("ends with a refusal if the API key may read no key that matches, also on a socket that is open for others", async () => {
  const { memx } = connectMemx({ apiKey: "agent_key_1" });
  await expect(memx.watch("secret:*").ready).rejects.toBeInstanceOf(ForbiddenError);
  const good = memx.watch("memx:*");
  await good.ready;
  const bad = memx.watch("secret:*");
  await expect(bad.ready).rejects.toBeInstanceOf(ForbiddenError);
  expect(good.status).toBe("live");
});

it("ends with the error that its listener throws", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const subscription = memx.subscribe(key, () => {
    throw new Error("in the listener");
  });
  await subscription.ready;
  await memx.set(key, 1);
  await expect(subscription.done).rejects.toThrow("in the listener");
});

it("ends with its signal, its loop, the client, or close, and the last one closes the socket", async () => {
  const client = connectMemx();
  const { memx } = client;
  const abort = new AbortController();
  const [a, b, c] = [
    memx.subscribe(freshKey(), { signal: abort.signal }),
    memx.subscribe(freshKey()),
    memx.subscribe(freshKey()),
  ];
  await Promise.all([a.ready, b.ready, c.ready]);
  abort.abort();
  b.close();
  await Promise.all([a.done, b.done]);
  expect(c.status).toBe("live");
  memx.close();
  expect(await Array.fromAsync(c)).toEqual([]);
  await expect.poll(() => open(client).length).toBe(0);
  const late = memx.subscribe(freshKey());
  await expect(late.ready).rejects.toBeInstanceOf(MemxError);
});

it("has one consumer for each subscription", async () => {
  const { memx } = connectMemx();
  const subscription = memx.subscribe(freshKey(), () => {});
  expect(() => subscription[Symbol.asyncIterator]()).toThrow(TypeError);
});
