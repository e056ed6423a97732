// Open subscriptions whose API key is revoked, gets other scopes, or cannot be checked.

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { type Agent, createAgent } from "../support/agent.ts";
import { freshKey, problem } from "../support/client.ts";
import { grant, revoke } from "../support/grant.ts";
import { connectEventStream } from "../support/subscriber.ts";

const settings = { ...env };
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(env, { SUPABASE_URL: "", SUPABASE_SERVICE_KEY: "", MEMX_ACL: settings.MEMX_ACL });
});

/** Runs the alarm to its end. */
async function ring(agent: Agent, key?: string): Promise<void> {
  await runDurableObjectAlarm(agent.channel(key));
}

describe.each([
  ["of a key", "a", "/subscribe/a"],
  ["of patterns", undefined, "/watch?pattern=*"],
])("a subscriber %s", (_, topic, path) => {
  it("whose API key was revoked is closed with 4403 by the next alarm, also after hibernation", async () => {
    const apiKey = freshKey();
    const agent = createAgent({ apiKey });
    const [first, second] = [await agent.connect(path), await agent.connect(path, { plain: true })];
    revoke(apiKey);
    await agent.hibernate(topic);
    await ring(agent, topic);
    for (const { closed } of [first, second]) {
      expect(await closed).toMatchObject({ code: 4403, reason: "The API key was revoked." });
    }
    await problem(await agent.fetch("/get?key=a"), "invalid_api_key");
  });

  it("over server-sent events whose API key was revoked ends", async () => {
    const apiKey = freshKey();
    const agent = createAgent({ apiKey });
    const stream = await connectEventStream(path, { fetch: agent.fetch });
    await stream.takeUntilReady();
    revoke(apiKey);
    await ring(agent, topic);
    await stream.ended;
    await problem(await agent.fetch(path, { headers: { accept: "text/event-stream" } }), "invalid_api_key");
  });

  it("whose API key now belongs to another namespace is closed with 4403", async () => {
    const apiKey = freshKey();
    const agent = createAgent({ apiKey });
    const { closed } = await agent.connect(path);
    grant({ [apiKey]: { read: ["*"], write: ["*"], user_id: crypto.randomUUID() } });
    await ring(agent, topic);
    expect((await closed).code).toBe(4403);
  });

  it("stays and misses nothing while another subscriber is closed", async () => {
    const apiKey = freshKey();
    const agent = createAgent();
    const other = createAgent({ apiKey, namespace: agent.namespace });
    const [stays, goes] = [await agent.connect(path), await other.connect(path)];
    await stays.takeUntilReady();
    revoke(apiKey);
    await agent.set("a", 1);
    await ring(agent, topic);
    expect((await goes.closed).code).toBe(4403);
    await agent.set("a", 2);
    expect((await stays.take(2)).map(({ value }) => value)).toEqual([1, 2]);
    expect(await agent.sockets(topic)).toBe(1);
  });

  it("stays for five minutes while API keys cannot be checked, and is then closed to connect again", async () => {
    const agent = createAgent();
    const { socket, closed } = await agent.connect(path);
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    Object.assign(env, { MEMX_ACL: "{" });
    for (let alarm = 0; alarm < 3; alarm++) {
      await ring(agent, topic);
      await expect.poll(() => warn.mock.calls.length).toBe(alarm + 1);
      await evictDurableObject(agent.channel(topic));
    }
    expect(socket.readyState).toBe(WebSocket.OPEN);
    await runInDurableObject(agent.channel(topic), (__, { storage }) => {
      const since = storage.kv.get<number>("outage") as number;
      expect(Date.now() - since).toBeLessThan(60_000);
      storage.kv.put("outage", since - LIMITS.accessOutageMs);
    });
    await ring(agent, topic);
    expect((await closed).code).toBe(1013);
  });

  it("does not count an outage that is over", async () => {
    const agent = createAgent();
    const { socket } = await agent.connect(path);
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const { MEMX_ACL } = env;
    const outage = () => runInDurableObject(agent.channel(topic), (__, { storage }) => storage.kv.get("outage"));
    Object.assign(env, { MEMX_ACL: "{" });
    await ring(agent, topic);
    await expect.poll(outage).toBeTypeOf("number");
    Object.assign(env, { MEMX_ACL });
    await ring(agent, topic);
    await expect.poll(outage).toBeUndefined();
    expect(socket.readyState).toBe(WebSocket.OPEN);
  });

  it("receives live and lost changes while the access check hangs", async () => {
    const agent = createAgent();
    const client = await agent.connect(path);
    await client.takeUntilReady();
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const { fetch } = globalThis;
    const asked = vi.fn();
    vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
      if (!String(input).startsWith("https://silent.example")) return fetch(input, init);
      asked();
      return new Promise((resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
        void resolve;
      });
    });
    await agent.writeUnannounced({ op: "set", key: "a", value: "1", schemaRevision: 0 });
    Object.assign(env, { SUPABASE_URL: "https://silent.example", SUPABASE_SERVICE_KEY: "key" });
    await ring(agent, topic);
    expect(asked).toHaveBeenCalledTimes(1);
    expect((await client.take(1)).map(({ value }) => value)).toEqual([1]);
    Object.assign(env, { SUPABASE_URL: "", SUPABASE_SERVICE_KEY: "" });
    await agent.set("a", 2);
    expect((await client.take(1)).map(({ value }) => value)).toEqual([2]);
  });
});

describe("an API key that loses some of its read scopes", () => {
  const limitTo = (apiKey: string, { namespace }: Agent, ...read: string[]) =>
    grant({ [apiKey]: { read: read.map((key) => `${namespace}:${key}`), write: ["*"], user_id: namespace } });

  it("loses with 4403 the subscriptions that it may no longer read, and keeps the others", async () => {
    const apiKey = freshKey();
    const agent = createAgent({ apiKey });
    const [a, b] = [await agent.connect("/subscribe/a"), await agent.connect("/subscribe/b")];
    limitTo(apiKey, agent, "a");
    await ring(agent, "a");
    await ring(agent, "b");
    expect(await b.closed).toMatchObject({ code: 4403, reason: "The API key may no longer read this key." });
    await a.takeUntilReady();
    await agent.set("a", 1);
    expect((await a.take(1)).map(({ value }) => value)).toEqual([1]);
  });

  it("narrows what a watcher receives, also after hibernation, and can widen it again", async () => {
    const apiKey = freshKey();
    const agent = createAgent({ apiKey });
    const watcher = await agent.connect("/watch?pattern=*");
    await watcher.takeUntilReady();
    limitTo(apiKey, agent, "a", "c");
    await ring(agent);
    await expect
      .poll(() => runInDurableObject(agent.channel(), (_, ctx) => ctx.getWebSockets()[0]?.deserializeAttachment()))
      .toMatchObject({ join: { scopes: [`${agent.namespace}:a`, `${agent.namespace}:c`] } });
    for (const key of ["b", "a", "b"]) await agent.set(key, key);
    expect((await watcher.take(1)).map(({ key }) => key)).toEqual(["a"]);
    await agent.hibernate();
    for (const key of ["b", "c"]) await agent.set(key, key);
    expect((await watcher.take(1)).map(({ key }) => key)).toEqual(["c"]);
    limitTo(apiKey, agent, "b");
    await ring(agent);
    await expect
      .poll(async () => {
        await agent.set("b", "b");
        return watcher.texts.at(-1);
      })
      .toContain('"key":"b"');
  });

  it("closes with 4403 a watcher that may no longer read any key that it watches", async () => {
    const apiKey = freshKey();
    const agent = createAgent({ apiKey });
    const [watcher, other] = [await agent.connect("/watch?pattern=a*"), await agent.connect("/watch?pattern=*b")];
    limitTo(apiKey, agent, "b*");
    await ring(agent);
    expect(await watcher.closed).toMatchObject({
      code: 4403,
      reason: "The API key may no longer read any key that matches a pattern.",
    });
    await other.takeUntilReady();
    await agent.set("b", 1);
    expect((await other.take(1)).map(({ key }) => key)).toEqual(["b"]);
  });

  it("closes a watcher whose new scopes do not fit into its attachment, so that it connects again", async () => {
    const apiKey = freshKey();
    const agent = createAgent({ apiKey });
    const long = (n: number) => `${n}`.padEnd(60, "x");
    const patterns = Array.from({ length: 32 }, (_, n) => `pattern=${long(n)}`);
    const { closed } = await agent.connect(`/watch?${patterns.join("&")}`);
    limitTo(apiKey, agent, ...Array.from({ length: 220 }, (_, n) => long(n)));
    await ring(agent);
    expect((await closed).code).toBe(1013);
  });
});

describe("the sockets of one API key", () => {
  it("in one channel are limited, and leave room for other API keys", async () => {
    const agent = createAgent();
    const other = createAgent({ namespace: agent.namespace, apiKey: freshKey() });
    const key = freshKey();
    await agent.connect(`/subscribe/${key}`);
    await runInDurableObject(agent.channel(key), (_, ctx) => {
      const { getWebSockets } = ctx;
      const [tag] = ctx.getTags(ctx.getWebSockets()[0] as WebSocket);
      ctx.getWebSockets = (of) =>
        of === tag
          ? Array.from({ length: LIMITS.maxSubscribersPerApiKey }, () => ({ readyState: 1 }) as WebSocket)
          : getWebSockets.call(ctx, of);
    });
    expect((await (await agent.connect(`/subscribe/${key}`)).closed).code).toBe(4429);
    expect(await (await other.connect(`/subscribe/${key}`)).take(1)).toMatchObject([{ event: "ready" }]);
  });
});
