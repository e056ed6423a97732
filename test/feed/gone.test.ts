// Readers that have gone without a word, or that never came: none of them keeps a place in a channel.

import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import type { Channel } from "../../durable-objects/channel/channel.ts";
import { hashApiKey } from "../../memory/access/access.ts";
import { type Agent, createAgent, setOperation } from "../support/agent.ts";
import { freshKey } from "../support/client.ts";

const accept = "text/event-stream";
const INTERVAL_MS = LIMITS.repairIntervalMs / 2;

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const streams = [
  ["/subscribe/{key}", (key: string) => [`/subscribe/${key}`, key] as const],
  ["/watch", (key: string) => [`/watch?pattern=${key}`, ""] as const],
  ["/changes", (key: string) => [`/changes?pattern=${key}&since=0`, ""] as const],
] as const;

describe.each(streams)("HEAD %s", (_, pathOf) => {
  it("has the status and the headers of GET, and joins nothing", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = pathOf(key);
    const head = await agent.send(path, { method: "HEAD", headers: { accept } });
    expect(await agent.sockets(topic)).toBe(0);
    const [applied] = await agent.writeUnannounced(setOperation(key, 1));
    expect(applied).toMatchObject({ watched: false, namespaceWatched: false });

    const got = await agent.send(path, { headers: { accept } });
    expect(head.status).toBe(200);
    expect(got.status).toBe(200);
    for (const name of ["content-type", "cache-control", "access-control-allow-origin"]) {
      expect(head.headers.get(name), name).toBe(got.headers.get(name));
      expect(head.headers.get(name), name).not.toBeNull();
    }
    expect(await head.text()).toBe("");
    await got.body?.cancel();
  });

  it("is refused as GET is", async () => {
    const agent = createAgent();
    const guest = createAgent({ namespace: agent.namespace, read: [], apiKey: `guest:${agent.namespace}` });
    const [path] = pathOf(freshKey());
    const statuses = async (method: string) => [
      (await agent.fetchWithoutKey(path, { method, headers: { accept } } as never)).status,
      (await guest.send(path, { method, headers: { accept } })).status,
      (await agent.send(`${path}${path.includes("?") ? "&" : "?"}nope=1`, { method, headers: { accept } })).status,
    ];
    expect(await statuses("HEAD")).toEqual(await statuses("GET"));
  });
});

it("HEAD of a stream that the request does not accept is a 426, as GET is", async () => {
  const response = await createAgent().send("/subscribe/a", { method: "HEAD" });
  expect(response.status).toBe(426);
});

describe.each(streams)("GET %s whose body is never read", (_, pathOf) => {
  it("leaves the channel within the repair interval", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const agent = createAgent();
    const [path, topic] = pathOf(freshKey());
    const response = await agent.fetch(path, { headers: { accept } });
    await expect.poll(() => agent.sockets(topic)).toBe(1);
    // The first text is on its way to the reader that is not there.
    await settle();
    for (let n = 0; n < 2; n++) vi.advanceTimersByTime(INTERVAL_MS);
    await expect.poll(() => agent.sockets(topic)).toBe(0);
    await expect(response.text()).rejects.toThrow();
    expect(vi.getTimerCount()).toBe(0);
  });
});

it("a reader that takes a little in each interval keeps its stream, and gets every byte", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const agent = createAgent();
  const key = freshKey();
  const { body } = await agent.fetch(`/subscribe/${key}`, { headers: { accept } });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader?.read())?.value ?? "";
  const value = "x".repeat(100_000);
  await agent.set(key, value);
  await agent.settled();
  await settle();
  let reads = 0;
  while (!text.endsWith("\n\n") || reads === 0) {
    vi.advanceTimersByTime(INTERVAL_MS);
    text += (await reader?.read())?.value ?? "";
    reads++;
    await settle();
  }
  expect(reads).toBeGreaterThan(3);
  expect(text).toContain(`"value":"${value}"`);
  expect(await agent.sockets(key)).toBe(1);
  await reader?.cancel();
});

/** Asks the channel for a socket, and drops its response: the platform does so if the client leaves in its handshake. */
async function handshakeThatFails(agent: Agent, key: string): Promise<void> {
  const keyHash = await hashApiKey(`agent:${agent.namespace}`);
  await runInDurableObject(agent.channel(key), async (channel: Channel) => {
    const join = {
      namespace: agent.namespace,
      key,
      keyHash,
      event: "value",
      patterns: [],
      scopes: [],
      maxUnreadChars: LIMITS.maxUnreadChars,
      control: false,
    };
    const header = new TextEncoder().encode(JSON.stringify(join)).toBase64();
    const { status } = await channel.fetch(
      new Request("https://channel/", { headers: { upgrade: "websocket", "memx-join": header } }),
    );
    expect(status).toBe(101);
  });
}

describe("a WebSocket whose client left during its handshake", () => {
  it("leaves the channel at the next alarm, and takes no other socket with it", async () => {
    const agent = createAgent();
    const key = freshKey();
    const before = await agent.connect(`/subscribe/${key}`, { plain: true });
    for (let n = 0; n < 3; n++) await handshakeThatFails(agent, key);
    const { now } = Date;
    expect(await agent.sockets(key)).toBe(4);
    vi.spyOn(Date, "now").mockImplementation(() => now() + LIMITS.repairIntervalMs);
    const after = await agent.connect(`/subscribe/${key}`);
    await runDurableObjectAlarm(agent.channel(key));
    await expect.poll(() => agent.sockets(key)).toBe(2);
    const { revision } = await agent.set(key, 1);
    for (const client of [before, after]) await client.takeUntil((event) => event.revision === revision && !!event.key);
    await runDurableObjectAlarm(agent.channel(key));
    expect(await agent.sockets(key)).toBe(2);
  });

  it("is left alone while its response may still be on its way", async () => {
    const agent = createAgent();
    const key = freshKey();
    await agent.connect(`/subscribe/${key}`);
    await handshakeThatFails(agent, key);
    await runDurableObjectAlarm(agent.channel(key));
    expect(await agent.sockets(key)).toBe(2);
  });
});

describe("a silent WebSocket", () => {
  it("is closed with 1013 if it is a memx.v1 client, which must ping, and stays if it is a plain one", async () => {
    const agent = createAgent();
    const key = freshKey();
    // Sets the alarm. The others must not set it to a time that is already past.
    const fresh = await agent.connect(`/subscribe/${key}`);
    await runInDurableObject(agent.channel(key), (__, { storage }) => {
      storage.setAlarm = async () => {};
    });
    const { now } = Date;
    const past = vi.spyOn(Date, "now").mockImplementation(() => now() - LIMITS.maxSilenceMs - 1_000);
    const silent = await agent.connect(`/subscribe/${key}`);
    const alive = await agent.connect(`/subscribe/${key}`);
    const plain = await agent.connect(`/subscribe/${key}`, { plain: true });
    past.mockRestore();
    alive.socket.send("ping");
    await expect.poll(() => alive.texts).toContain("pong");
    await agent.hibernate(key);
    await runDurableObjectAlarm(agent.channel(key));
    expect((await silent.closed).code).toBe(1013);
    const { revision } = await agent.set(key, 1);
    for (const client of [alive, plain, fresh]) await client.takeUntil((event) => event.revision === revision);
    expect(silent.texts.join()).not.toContain("value");
  });
});

it("a socket that is closing does not count toward the limits", async () => {
  const agent = createAgent();
  const key = freshKey();
  await runInDurableObject(agent.channel(key), (_, ctx) => {
    ctx.getWebSockets = () => Array.from({ length: LIMITS.maxSubscribers }, () => ({ readyState: 2 }) as WebSocket);
  });
  const client = await agent.connect(`/subscribe/${key}`);
  expect(await client.take(1)).toMatchObject([{ event: "ready" }]);
});

/** Lets everything that is ready to run, run. */
async function settle(): Promise<void> {
  for (let n = 0; n < 5; n++) await scheduler.wait(5);
}
