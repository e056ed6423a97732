// What a watcher of patterns receives: changes of all keys that match and that its API key may read.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { channelName } from "../../memory/channels/topic.ts";
import { countingChannels, createAgent, setOperation, setOperations } from "../support/agent.ts";
import { problem, request, set } from "../support/client.ts";
import { connect, connectMemx, type Event } from "../support/subscriber.ts";

const watchPath = (patterns: readonly string[], query = "") =>
  `/watch?${patterns.map((pattern) => `pattern=${encodeURIComponent(pattern)}`).join("&")}${query}`;
const keysOf = (events: readonly Event[]) => events.filter(({ event }) => event === "value").map(({ key }) => key);

const KEYS = ["A", "a", "a/b", "a:", "a:b/c:d", "ab", "abc", "a😀", "bb", "cb", "!b", "a{b,c}", "^b", "x-y", "a\\b"];

describe("a watcher", () => {
  it.each([
    [["*"], KEYS],
    [["a*"], ["a", "a/b", "a:", "a:b/c:d", "ab", "abc", "a😀", "a{b,c}", "a\\b"]],
    [["a?"], ["a:", "ab", "a😀"]],
    [["a???"], []],
    [["*:*"], ["a:", "a:b/c:d"]],
    [["a*d"], ["a:b/c:d"]],
    [["[ab]b"], ["ab", "bb"]],
    [["[a-b]b"], ["ab", "bb"]],
    [["[!ab]b"], ["cb", "!b", "^b"]],
    [["[^a]b"], ["ab", "^b"]],
    [["A"], ["A"]],
    [["!b"], ["!b"]],
    [["a{b,c}"], ["a{b,c}"]],
    [["a\\b"], ["a\\b"]],
    [["(a|bb)"], []],
    [
      ["a", "bb", "a?"],
      ["a", "a:", "ab", "a😀", "bb"],
    ],
    [["abc", "a*c", "*"], KEYS],
  ])("of %j receives the keys that match once, in the snapshot and live", async (patterns, expected) => {
    const agent = createAgent();
    await agent.writeUnannounced(...KEYS.map((key) => setOperation(key, "stored")));
    const watcher = await agent.connect(watchPath([...patterns, "the end"], "&since=0"));
    expect(keysOf(await watcher.takeUntilReady()).sort()).toEqual([...expected].sort());
    for (const key of [...KEYS, "the end"]) await agent.set(key, "live");
    expect(keysOf(await watcher.takeUntil(({ key }) => key === "the end"))).toEqual([
      ...KEYS.filter((key) => expected.includes(key)),
      "the end",
    ]);
  });

  it("receives the same texts as a subscriber of the key, as event selects", async () => {
    const agent = createAgent();
    const watcher = await agent.connect(watchPath(["a:*"], "&event=all"));
    const plain = await agent.connect(watchPath(["a:*"]), { plain: true });
    const subscriber = await agent.connect("/subscribe/a:1?event=all");
    await watcher.takeUntilReady();
    await subscriber.takeUntilReady();
    await agent.setSchema("a:1", { type: "number" });
    await agent.setText("a:1", "1.0");
    await agent.writeUnannounced({ op: "delete", key: "a:1" });
    const last = await agent.set("a:1", 2);
    await subscriber.take(4);
    const events = await watcher.take(4);
    expect(watcher.texts.slice(1)).toEqual(subscriber.texts.slice(1));
    expect(events.map(({ key, action }) => [key, action])).toEqual([
      ["a:1", "set"],
      ["a:1", "set"],
      ["a:1", "delete"],
      ["a:1", "set"],
    ]);
    const values = await plain.take(3);
    // Only memX clients get `created`.
    expect(plain.texts).toEqual(subscriber.texts.slice(2).map((text) => text.replace(/,"created":[\d.]+/, "")));
    expect(values.at(-1)?.revision).toBe(last.revision);
  });

  it("receives only keys that the scopes of its API key allow", async () => {
    const agent = createAgent();
    const { namespace } = agent;
    const guest = createAgent({ namespace, read: [`${namespace}:public:*`, `${namespace}:shared`, "private:*"] });
    const keys = ["private:1", "public:1", "shared", `${namespace}:public:1`, "public:end"];
    for (const key of keys) await agent.set(key, "stored");
    const readable = ["public:1", "shared", "public:end"];
    const watcher = await guest.connect(watchPath(["*"], "&since=0"));
    expect(keysOf(await watcher.takeUntilReady()).sort()).toEqual([...readable].sort());
    const resumed = await guest.connect(watchPath(["*"], `&since=${(await agent.set("shared", 0)).revision - 5}`));
    expect(keysOf(await resumed.takeUntilReady())).toEqual([...readable, "shared"]);
    await watcher.take(1);
    for (const key of keys) await agent.set(key, "live");
    expect(keysOf(await watcher.takeUntil(({ key }) => key === "public:end"))).toEqual(readable);
    expect(keysOf(await resumed.takeUntil(({ key }) => key === "public:end"))).toEqual(readable);
  });

  it("whose API key may read no matching key gets only ready", async () => {
    const agent = createAgent();
    const { namespace } = agent;
    const guest = createAgent({ namespace, read: [`${namespace}:public`] });
    await agent.set("private", 1);
    const watcher = await guest.connect(watchPath(["p*"], "&since=0"));
    expect(await watcher.takeUntilReady()).toHaveLength(1);
    await agent.set("private", 2);
    await agent.set("public", 3);
    expect(keysOf(await watcher.take(1))).toEqual(["public"]);
  });

  it.each([
    ["reads other keys", (namespace: string) => [`${namespace}:public:*`, `${namespace}:a`]],
    ["reads nothing", () => []],
    ["reads another namespace", () => ["elsewhere:*", "private:*"]],
  ])("is refused if its API key %s and so would never receive anything", async (_, scopesOf) => {
    const agent = createAgent();
    const guest = createAgent({ namespace: agent.namespace, read: scopesOf(agent.namespace) });
    const watcher = await guest.connect(watchPath(["private:*", "b"]));
    expect(watcher.subprotocol).toBe("memx.v1");
    expect(await watcher.closed).toMatchObject({ code: 4403, reason: expect.stringContaining("not allowed to read") });
    const stream = await guest.fetch(watchPath(["private:*", "b"]), { headers: { accept: "text/event-stream" } });
    await problem(stream, "forbidden");
    await problem(await guest.fetch(`/changes?pattern=private:*&since=0`), "forbidden");
    expect(await agent.sockets()).toBe(0);
  });

  it("is accepted if one of its patterns can match one of its scopes", async () => {
    const agent = createAgent();
    const guest = createAgent({ namespace: agent.namespace, read: ["x", `${agent.namespace}:[a-c]*z`] });
    const watcher = await guest.connect(watchPath(["d*", "?y*"]));
    await watcher.takeUntilReady();
    for (const key of ["dz", "by", "byz"]) await agent.set(key, 1);
    expect(keysOf(await watcher.take(1))).toEqual(["byz"]);
  });

  it("with agent_key_1 of the development access list receives only the keys of that API key", async () => {
    const headers = { "x-api-key": "agent_key_1" };
    const watcher = await connect("/watch?pattern=memx:*", headers);
    for (const key of ["memx:secret", "memx:query", "memx:thoughts:2", "memx:thoughts:1"]) await set(key, 1);
    await expect.poll(() => watcher.texts.length).toBe(2);
    expect(watcher.texts.map((text) => JSON.parse(text).key)).toEqual(["memx:query", "memx:thoughts:1"]);
  });

  it("receives nothing from another namespace", async () => {
    const [here, there] = [createAgent(), createAgent()];
    await there.set("stored", "there");
    const watcher = await here.connect(watchPath(["*"], "&since=0"));
    const other = await there.connect(watchPath(["*"]));
    expect(await watcher.takeUntilReady()).toHaveLength(1);
    await there.set("a", "there");
    await there.set(`${here.namespace}:a`, "there");
    await other.take(3);
    const { revision } = await here.set("a", "here");
    expect(await watcher.take(1)).toMatchObject([{ key: "a", value: "here", revision }]);
    expect(watcher.texts.join()).not.toContain("there");
  });
});

describe("a watcher with since=0", () => {
  it("of 1,200 keys receives all of them in byte order, then ready, then live changes", async () => {
    const agent = createAgent();
    const names = ["ﬀ", "😀", "é", "Z", "~", ...Array.from({ length: 1_195 }, (_, n) => `k:${n}`)];
    for (let from = 0; from < names.length; from += 600) {
      await agent.writeUnannounced(...names.slice(from, from + 600).map((name) => setOperation(name, name)));
    }
    const watcher = await agent.connect(watchPath(["*"], "&since=0"));
    const events = await watcher.takeUntilReady();
    const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    expect(keysOf(events)).toEqual(names.toSorted(byBytes));
    const snapshot = events.slice(0, -1);
    expect(snapshot.every(({ key, value, previous }) => value === key && previous === 0)).toBe(true);
    expect(events.at(-1)?.revision).toBe(Math.max(...snapshot.map(({ revision }) => revision)));
    const live = await agent.set("live", 1);
    expect(await watcher.take(1)).toMatchObject([{ key: "live", revision: live.revision }]);
  });

  it("receives each change of concurrent writers once, in the snapshot or after it", async () => {
    const agent = createAgent();
    await agent.writeUnannounced(...Array.from({ length: 600 }, (_, n) => setOperation(`stored:${n}`, 0)));
    const joined: Promise<Awaited<ReturnType<typeof agent.connect>>>[] = [];
    const write = async (writer: number) => {
      for (let n = 0; n < 20; n++) {
        await agent.set(`new:${writer}:${n}`, n);
        if (writer === 0 && n % 4 === 0) joined.push(agent.connect(watchPath(["*"], "&since=0")));
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
    const last = await agent.set("last", 1);
    for (const watcher of await Promise.all(joined)) {
      await watcher.takeUntil(({ revision, event }) => event === "value" && revision === last.revision);
      const events = watcher.texts.map((text) => JSON.parse(text) as Event);
      const keys = keysOf(events);
      expect(keys).toHaveLength(600 + 160 + 1);
      expect(new Set(keys).size).toBe(keys.length);
      // Changes after the snapshot came in the order of the namespace.
      const live = events.filter(({ event, previous, key }) => event === "value" && previous === 0 && key !== "");
      const ready = events.findIndex(({ event }) => event === "ready");
      const after = live.slice(ready).map(({ revision }) => revision);
      expect(after).toEqual(after.toSorted((a, b) => a - b));
    }
  });
});

describe("a watcher that comes back", () => {
  it("with one revision receives the later changes of all keys, in order", async () => {
    const agent = createAgent();
    const first = await agent.connect(watchPath(["a*", "b"]));
    const { revision } = await agent.set("a", 0);
    await first.take(2);
    first.socket.close(1000);
    await first.closed;
    for (const key of ["b", "c", "a", "ab", "b", "a"]) await agent.set(key, 1);
    const second = await agent.connect(watchPath(["a*", "b"], `&since=${revision}`));
    const events = await second.takeUntilReady();
    expect(events.map(({ key, revision: at }) => [key, at - revision])).toEqual([
      ["b", 1],
      ["a", 3],
      ["ab", 4],
      ["b", 5],
      ["a", 6],
      [undefined, 6],
    ]);
    await agent.set("ab", 2);
    expect(await second.take(1)).toMatchObject([{ key: "ab", value: 2 }]);
  });

  it("after more changes than the log holds gets reset, the matching keys, and ready", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", "stored");
    await agent.writeUnannounced(...setOperations("b", LIMITS.logLength + 1));
    const head = revision + LIMITS.logLength + 1;
    const watcher = await agent.connect(watchPath(["a"], `&since=${revision}`));
    expect(await watcher.takeUntilReady()).toMatchObject([
      { event: "reset", revision: head },
      { event: "value", key: "a", value: "stored", revision, previous: 0 },
      { event: "ready", revision: head },
    ]);
  });
});

describe("a watch", () => {
  it.each([
    ["without a pattern", "/watch"],
    ["with an empty pattern", "/watch?pattern="],
    ["with too many patterns", watchPath(Array.from({ length: LIMITS.maxPatterns + 1 }, (_, n) => `${n}`))],
    ["with a pattern that is too long", watchPath(["p".repeat(LIMITS.maxPatternChars + 1)])],
    ["with patterns that are too long together", watchPath(Array.from({ length: 30 }, (_, n) => `${n}`.padEnd(500)))],
    ["with a key", "/watch?pattern=a&key=a"],
    ["with an unknown event", "/watch?pattern=a&event=nope"],
    ["with a bad since", "/watch?pattern=a&since=-1"],
  ])("%s is refused with 4422", async (_, path) => {
    const watcher = await connectMemx(path);
    expect((await watcher.closed).code).toBe(4422);
  });

  it("with as many patterns, or as long ones, as allowed is accepted and survives hibernation", async () => {
    const agent = createAgent();
    const many = Array.from({ length: LIMITS.maxPatterns }, (_, n) => `${n}`.padEnd(180, "x"));
    const long = "p".repeat(LIMITS.maxPatternChars);
    const watchers = [await agent.connect(watchPath(many)), await agent.connect(watchPath([long]))];
    for (const watcher of watchers) await watcher.takeUntilReady();
    await agent.hibernate();
    await agent.set(many.at(-1) as string, 1);
    await agent.set(long, 2);
    expect(await watchers[0]?.take(1)).toMatchObject([{ value: 1 }]);
    expect(await watchers[1]?.take(1)).toMatchObject([{ value: 2 }]);
  });

  it("without an API key, or with an unknown one, is closed with 4401 and 4403", async () => {
    expect((await (await connect("/watch?pattern=a")).closed).code).toBe(4401);
    expect((await (await connect("/watch?pattern=a", { "x-api-key": "nobody" })).closed).code).toBe(4403);
  });

  it("is a 426 for an ordinary GET", async () => {
    expect((await request("GET", "/watch?pattern=a")).status).toBe(426);
  });
});

describe("the channel of a namespace", () => {
  it("is called by writes only while it has subscribers", async () => {
    const { channels, calls } = countingChannels();
    const agent = createAgent({ channels });
    const callsOfSet = async () => {
      calls.length = 0;
      await agent.set("a", 1);
      await agent.settled();
      return [...calls];
    };
    expect(await callsOfSet()).toEqual([]);
    const first = await agent.connect(watchPath(["a key that is never written"]));
    const second = await agent.connect(watchPath(["*"]));
    await second.takeUntilReady();
    expect(await callsOfSet()).toEqual([channelName({ namespace: agent.namespace, key: "" })]);
    first.socket.close(1000);
    await first.closed;
    expect(await callsOfSet()).toEqual([channelName({ namespace: agent.namespace, key: "" })]);
    second.socket.close(1000);
    await second.closed;
    await expect.poll(callsOfSet).toEqual([]);
    const third = await agent.connect(watchPath(["*"]));
    await third.takeUntilReady();
    expect(await callsOfSet()).toEqual([channelName({ namespace: agent.namespace, key: "" })]);
    expect(await third.take(1)).toMatchObject([{ key: "a" }]);
  });
});
