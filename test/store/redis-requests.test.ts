// The Redis commands of each call, counted as they leave the Worker: one round trip in steady state.

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Channel } from "../../durable-objects/channel/channel.ts";
import { channelName } from "../../memory/channels/topic.ts";
import { app } from "../../worker/app.ts";
import { captureLog } from "../support/capture-log.ts";
import { answer, deleteSchema, freshKey, get, post, problem, request, set, setSchema } from "../support/client.ts";
import { subscribe } from "../support/subscriber.ts";

/** The Redis commands of all REST requests since the last call of `sent`. */
const commands: string[] = [];
const sent = () => commands.splice(0);

beforeEach(() => {
  const { fetch } = globalThis;
  sent();
  vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
    if (String(input).startsWith(env.UPSTASH_REDIS_REST_URL as string)) {
      commands.push(JSON.parse(init?.body as string)[0]);
    }
    return fetch(input, init);
  });
});

afterEach(() => void vi.restoreAllMocks());

describe("in steady state", () => {
  it("a set takes one request, with and without a schema", async () => {
    const key = freshKey();
    await set(key, 1);
    sent();
    await set(key, 2);
    expect(sent()).toEqual(["evalsha"]);
    await setSchema(key, { type: "number" });
    await set(key, 3);
    sent();
    await set(key, 4);
    expect(sent()).toEqual(["evalsha"]);
  });

  it("a get, a write of a schema and a deletion of a schema take one request each", async () => {
    const key = freshKey();
    await set(key, 1);
    // From here on, Redis knows the script.
    await get(key);
    sent();
    await get(key);
    expect(sent()).toEqual(["evalsha"]);
    await setSchema(key, true);
    expect(sent()).toEqual(["evalsha"]);
    await deleteSchema(key);
    expect(sent()).toEqual(["evalsha"]);
  });

  it("a read of 1,000 keys takes one request", async () => {
    const keys = Array.from({ length: 1_000 }, freshKey);
    await set(keys[0] as string, 1);
    const read = () => answer<{ entries: unknown[] }>(post("/read", { keys }));
    // From here on, Redis knows the script.
    await read();
    sent();
    expect((await read()).entries).toHaveLength(1_000);
    expect(sent()).toEqual(["evalsha"]);
  });

  it("a delete, a batch of 100, a claim and a renewal take one request each, and a patch takes two", async () => {
    const [key, lease] = [freshKey(), freshKey()];
    const operations = Array.from({ length: 100 }, (_, n) => ({ op: "set", key: `${key}:${n}`, value: n }));
    // Once in a while, an isolate also lists the namespace as one with values that expire.
    await post("/set", { key, value: 1, ttl: 60 });
    await get(key);
    sent();
    await post("/delete", { key });
    await post("/batch", { operations });
    const { revision } = await answer(post("/set", { key: lease, value: "mine", expect: 0, ttl: 60 }));
    await answer(post("/set", { key: lease, value: "mine", expect: revision, ttl: 60 }));
    expect(sent()).toEqual(["evalsha", "evalsha", "evalsha", "evalsha"]);
    await post("/patch", { key, increment: { by: 1 } });
    expect(sent()).toEqual(["evalsha", "evalsha"]);
  });

  it("a page of keys takes one request, whether the page is the first or the last of many", async () => {
    const prefix = freshKey();
    for (let n = 0; n < 2_000; n += 100) {
      const operations = Array.from({ length: 100 }, (_, at) => ({ op: "set", key: `${prefix}:${n + at}`, value: 1 }));
      await answer(post("/batch", { operations }));
    }
    const page = (cursor: string) =>
      answer<{ keys: unknown[]; cursor: string }>(request("GET", `/keys?prefix=${prefix}&limit=100${cursor}`));
    // From here on, Redis knows the script.
    await page("");
    sent();
    let [pages, cursor] = [0, ""];
    do {
      const { keys, cursor: next } = await page(cursor);
      expect(keys).toHaveLength(100);
      expect(sent()).toEqual(["evalsha"]);
      cursor = next && `&cursor=${next}`;
      pages++;
    } while (cursor);
    expect(pages).toBe(20);
  });

  it("a set takes two requests if the schema of the key has just changed", async () => {
    const key = freshKey();
    await setSchema(key, { type: "number" });
    await set(key, 1);
    await setSchema(key, { type: ["number", "string"] });
    sent();
    await set(key, 2);
    expect(sent()).toEqual(["evalsha", "evalsha"]);
    await set(key, 3);
    expect(sent()).toEqual(["evalsha"]);
  });
});

it("a write is not sent again after an error, whatever words are in its value", async () => {
  const fetch = vi.mocked(globalThis.fetch).getMockImplementation() as typeof globalThis.fetch;
  vi.mocked(globalThis.fetch).mockImplementation(async (input, init) => {
    await fetch(input, init);
    return Response.json({ error: "ERR upstream timed out" }, { status: 500 });
  });
  sent();
  const logged = captureLog();
  const body = JSON.stringify({ key: freshKey(), value: "NOSCRIPT noscript" });
  await problem(await request("POST", "/set", { body }), "store_unavailable");
  expect(sent()).toEqual(["evalsha"]);
  expect(logged).toEqual(["store_unavailable"]);
});

it("a set with a ttl succeeds if the namespace cannot be listed for the sweep, and the log line has the request's id", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const fetch = vi.mocked(globalThis.fetch).getMockImplementation() as typeof globalThis.fetch;
  vi.mocked(globalThis.fetch).mockImplementation(async (input, init) => {
    const response = await fetch(input, init);
    const [command] = JSON.parse(init?.body as string);
    return command === "zadd" ? Response.json({ error: "ERR refused" }, { status: 500 }) : response;
  });
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json", "x-request-id": "trace-1" };
  const body = JSON.stringify({ key: freshKey(), value: 1, ttl: 60 });
  const request = new Request("http://memx/set", { method: "POST", headers, body });
  // A copy of the environment has a store of its own, which has not listed the namespace yet.
  const response = await app.fetch(request, { ...env }, createExecutionContext());
  expect(response.status).toBe(200);
  expect(warn.mock.calls).toEqual([[expect.objectContaining({ event: "listing_failed", request: "trace-1" })]]);
});

/** Sends a set to the Worker. Its calls of channels are recorded, and wait until the Worker has responded. */
async function channelCallsOfSet(key: string): Promise<string[]> {
  const calls: string[] = [];
  const responded = Promise.withResolvers<void>();
  const getByName = (name: string) => ({
    async publish(...change: Parameters<Channel["publish"]>) {
      calls.push(name);
      await responded.promise;
      return env.CHANNEL.getByName(name).publish(...change);
    },
  });
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  const request = new Request("http://memx/set", { method: "POST", headers, body: JSON.stringify({ key, value: 1 }) });
  const context = createExecutionContext();
  const response = await app.fetch(request, { ...env, CHANNEL: { getByName } }, context);
  expect(response.status).toBe(200);
  responded.resolve();
  await waitOnExecutionContext(context);
  return calls;
}

describe("a set", () => {
  it("of an unwatched key calls no channel", async () => {
    expect(await channelCallsOfSet(freshKey())).toEqual([]);
  });

  it("of a watched key calls the key's channel once, does not wait for it, and sends no further request to Redis", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key);
    sent();
    expect(await channelCallsOfSet(key)).toEqual([channelName({ namespace: "", key })]);
    await subscriber.take(1);
    expect(sent()).toEqual(["evalsha"]);
  });
});
