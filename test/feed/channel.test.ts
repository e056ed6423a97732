// Live changes through a channel: once each and in order, despite hibernation, loss and reordering.

import { evictAllDurableObjects, evictDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { openStore } from "../../memory/store/open-store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { captureLog } from "../support/capture-log.ts";
import { deleteSchema, freshKey, set, setSchema, setText } from "../support/client.ts";
import { breakStore, channelOf, evictStore } from "../support/engine.ts";
import { connect, subscribe } from "../support/subscriber.ts";

/** Writes to the store and announces the change to no channel, as if the Worker had died. */
async function writeUnannounced(key: string, value: string): Promise<Change> {
  const outcome = await openStore(env).write("", [{ op: "set", key, value, schemaRevision: 0 }]);
  if (outcome.outcome !== "applied" || !outcome.results[0]?.change) throw new Error("not applied");
  return outcome.results[0].change;
}

describe("a plain subscriber", () => {
  it("receives the original's frame with the added fields, and nothing before the first change", async () => {
    const key = freshKey();
    await set(key, "before");
    const subscriber = await subscribe(key);
    const { revision, ts } = await set(key, { x: 1 });
    const [first] = await subscriber.take(1);
    expect(first).toEqual({
      event: "value",
      action: "set",
      key,
      value: { x: 1 },
      ts,
      revision,
      previous: revision - 1,
    });
    expect(Object.keys(first as object).slice(0, 4)).toEqual(["event", "action", "key", "value"]);
    await subscriber.nothingMore();
  });

  it("receives the value's text exactly as it was written", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key);
    await setText(key, '{"n":9007199254740993, "f":1.0,"s":"\\u2028"}');
    await subscriber.take(1);
    expect(subscriber.texts[0]).toContain('"value":{"n":9007199254740993, "f":1.0,"s":"\\u2028"}');
  });

  it("receives value events by default, and schema events or all events on request", async () => {
    const key = freshKey();
    const [values, schemas, all] = await Promise.all([
      subscribe(key),
      subscribe(key, { event: "schema" }),
      subscribe(key, { event: "all" }),
    ]);
    await setSchema(key, { type: "number" });
    await set(key, 1);
    await deleteSchema(key);
    const kinds = (events: readonly { event: string; action: string }[]) => events.map((e) => `${e.event} ${e.action}`);
    expect(kinds(await all.take(3))).toEqual(["schema set", "value set", "schema delete"]);
    expect(kinds(await values.take(1))).toEqual(["value set"]);
    const schemaEvents = await schemas.take(2);
    expect(schemaEvents[0]).toMatchObject({ schema: { type: "number" } });
    expect(schemaEvents[1]).not.toHaveProperty("schema");
    await schemas.nothingMore();
    await values.nothingMore();
  });

  it.each(["a b/c?d#e%f", "ключ:😀", "a/../b", "..", ".", "__proto__", "%2F", "a+b&c=d", "'\"\\"])(
    "can watch the key %j",
    async (name) => {
      const key = `${name}`;
      const subscriber = await subscribe(key);
      await set(key, 1);
      expect(await subscriber.take(1)).toMatchObject([{ key, value: 1 }]);
    },
  );

  it("gets pong for a ping, and anything else that it sends has no effect", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key);
    subscriber.socket.send("ping");
    subscriber.socket.send('{"event":"value","key":"x","value":1}');
    await set(key, 1);
    await subscriber.take(1);
    expect(subscriber.texts).toContain("pong");
    expect(subscriber.texts).toHaveLength(2);
  });
});

describe("a channel", () => {
  it("still delivers every event once and in order when the channel and the store are evicted between writes", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key, { event: "all" });
    for (let n = 0; n < 5; n++) {
      await evictDurableObject(channelOf(key));
      await evictStore();
      await set(key, n);
      await set(key, n + 0.5);
    }
    const events = await subscriber.take(10);
    expect(events.map(({ value }) => value)).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]);
    await subscriber.nothingMore();
  });

  it("fills the gap from the log after a lost announcement, also after hibernation", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key);
    await writeUnannounced(key, "1");
    await writeUnannounced(key, "2");
    await evictAllDurableObjects();
    await set(key, 3);
    expect((await subscriber.take(3)).map(({ value }) => value)).toEqual([1, 2, 3]);
    await subscriber.nothingMore();
  });

  it("delivers changes once and in order when announcements arrive late, twice or out of order", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key);
    const changes: Change[] = [];
    for (let n = 0; n < 6; n++) changes.push(await writeUnannounced(key, String(n)));
    const order = [2, 0, 1, 2, 5, 4, 5, 3, 0];
    await Promise.all(order.map((index) => channelOf(key).publish({ namespace: "", key }, changes[index] as Change)));
    expect((await subscriber.take(6)).map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5]);
    await subscriber.nothingMore();
  });

  it("sends earlier changes to subscribers that were there, but not to a newcomer", async () => {
    const key = freshKey();
    const early = await subscribe(key);
    await writeUnannounced(key, "1");
    const late = await subscribe(key);
    await set(key, 2);
    expect((await early.take(2)).map(({ value }) => value)).toEqual([1, 2]);
    expect((await late.take(1)).map(({ value }) => value)).toEqual([2]);
    await late.nothingMore();
  });

  it("keeps delivering to the other subscribers when one leaves", async () => {
    const key = freshKey();
    const [leaving, staying] = await Promise.all([subscribe(key), subscribe(key)]);
    leaving.socket.close(1000, "bye");
    await set(key, 1);
    expect(await staying.take(1)).toMatchObject([{ value: 1 }]);
  });

  it.each([
    [undefined, undefined, 1000],
    [1000, "done", 1000],
    [3001, "moving on", 3001],
  ])("replies to a subscriber that closes with %j %j", async (code, reason, reply) => {
    const { socket } = await subscribe(freshKey());
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
    socket.close(code, reason);
    expect(await closed).toMatchObject({ code: reply, wasClean: true });
  });

  it("gets no announcements once its last subscriber has left, and gets them again after the next one joins", async () => {
    const key = freshKey();
    const store = openStore(env);
    const isWatched = async () => {
      const outcome = await store.write("", [{ op: "set", key, value: "0", schemaRevision: 0 }]);
      return outcome.outcome === "applied" && outcome.results[0]?.change && outcome.results[0].watched;
    };
    expect(await isWatched()).toBe(false);
    const first = await subscribe(key);
    expect(await isWatched()).toBe(true);
    first.socket.close(1000);
    const writeAndAsk = async () => {
      await set(key, 1);
      return isWatched();
    };
    await expect.poll(writeAndAsk).toBe(false);
    const second = await subscribe(key);
    await set(key, 2);
    expect(await second.take(1)).toMatchObject([{ value: 2 }]);
    await second.nothingMore();
  });

  it("delivers the newest change when the log no longer has the missed ones", async () => {
    const key = freshKey();
    const other = freshKey();
    const subscriber = await subscribe(key);
    await writeUnannounced(key, '"lost"');
    const store = openStore(env);
    const filler = Array.from(
      { length: 1_000 },
      () => ({ op: "set", key: other, value: "0", schemaRevision: 0 }) as const,
    );
    await store.write("", filler);
    const last = await writeUnannounced(key, '"newest"');
    await store.write("", filler);
    await channelOf(key).publish({ namespace: "", key }, last);
    expect(await subscriber.take(1)).toMatchObject([{ value: "newest" }]);
    await subscriber.nothingMore();
  });
});

describe("a refused subscription", () => {
  it.each([
    ["without an API key", "/subscribe/x", {}, 4401],
    ["with an unknown API key", "/subscribe/x", { "x-api-key": "nobody" }, 4403],
    ["of a key that the API key must not read", "/subscribe/x", { "x-api-key": "agent_key_1" }, 4403],
    ["with an unknown event", "/subscribe/x?event=nope", { "x-api-key": "local_dev_key" }, 4422],
    ["with a parameter that does not exist", "/subscribe/x?sinc=5", { "x-api-key": "local_dev_key" }, 4422],
    ["of an empty key", "/subscribe/", { "x-api-key": "local_dev_key" }, 4422],
    ["of a key with a control character", "/subscribe/%00", { "x-api-key": "local_dev_key" }, 4422],
    ["of a key that is not UTF-8", "/subscribe/%ff", { "x-api-key": "local_dev_key" }, 4422],
    ["of a key that is too long", `/subscribe/${"k".repeat(513)}`, { "x-api-key": "local_dev_key" }, 4422],
  ])("%s is accepted, then closed with its code", async (_, path, headers, code) => {
    const { socket } = await connect(path, headers);
    const closed = await new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
    expect(closed.code).toBe(code);
    expect(closed.reason).not.toBe("");
  });

  it("is a 503 with Retry-After and without the cause when the store is unavailable", async () => {
    const key = freshKey();
    const logged = captureLog();
    const restore = await breakStore("a secret");
    const headers = { "x-api-key": "local_dev_key", upgrade: "websocket" };
    const response = await exports.default.fetch(`http://memx/subscribe/${key}`, { headers });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ code: "store_unavailable" });
    expect(text).not.toContain("secret");
    expect(logged).toContain("store_unavailable");
    await restore();
    const subscriber = await subscribe(key);
    await set(key, 1);
    expect(await subscriber.take(1)).toMatchObject([{ value: 1 }]);
  });

  it("is a 426 for an ordinary GET", async () => {
    const response = await exports.default.fetch("http://memx/subscribe/x");
    expect(response.status).toBe(426);
    expect(await response.json()).toMatchObject({ code: "upgrade_required" });
  });
});
