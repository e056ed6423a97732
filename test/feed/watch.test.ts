// What a watcher of patterns receives: from many keys, what matches and what its API key may read.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { channelName } from "../../memory/channels/topic.ts";
import { countingChannels, createAgent, setOperation, setOperations } from "../support/agent.ts";
import { request, set } from "../support/client.ts";
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
  ])("of %j receives what matches, once, held or as it happens", async (patterns, expected) => {
    const agent = createAgent();
    await agent.writeUnannounced(...KEYS.map((key) => setOperation(key, "held")));
    const watcher = await agent.connect(watchPath([...patterns, "the end"], "&since=0"));
    expect(keysOf(await watcher.takeUntilReady()).sort()).toEqual([...expected].sort());
    for (const key of [...KEYS, "the end"]) await agent.set(key, "live");
    expect(keysOf(await watcher.takeUntil(({ key }) => key === "the end"))).toEqual([
      ...KEYS.filter((key) => expected.includes(key)),
      "the end",
    ]);
  });

  it("receives events as the keys' own subscribers do, with raw key names, as event asks", async () => {
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
    expect(plain.texts).toEqual(subscriber.texts.slice(2));
    expect(values.at(-1)?.revision).toBe(last.revision);
  });

  it("receives only what its API key may read, by scopes over namespaced keys", async () => {
    const agent = createAgent();
    const { namespace } = agent;
    const guest = createAgent({ namespace, read: [`${namespace}:public:*`, `${namespace}:shared`, "private:*"] });
    const keys = ["private:1", "public:1", "shared", `${namespace}:public:1`, "public:end"];
    for (const key of keys) await agent.set(key, "held");
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

  it("whose API key may read nothing that matches is told ready and nothing else", async () => {
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

  it("with the development list's agent_key_1 receives its own keys and no others", async () => {
    const headers = { "x-api-key": "agent_key_1" };
    const watcher = await connect("/watch?pattern=memx:*", headers);
    for (const key of ["memx:secret", "memx:query", "memx:thoughts:2", "memx:thoughts:1"]) await set(key, 1);
    await expect.poll(() => watcher.texts.length).toBe(2);
    expect(watcher.texts.map((text) => JSON.parse(text).key)).toEqual(["memx:query", "memx:thoughts:1"]);
  });

  it("never hears of another namespace", async () => {
    const [here, there] = [createAgent(), createAgent()];
    await there.set("held", "there");
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
  it("of 1,200 keys receives all of them in the order of their bytes, then ready, then live", async () => {
    const agent = createAgent();
    const names = ["ﬀ", "😀", "é", "Z", "~", ...Array.from({ length: 1_195 }, (_, n) => `k:${n}`)];
    for (let from = 0; from < names.length; from += 600) {
      await agent.writeUnannounced(...names.slice(from, from + 600).map((name) => setOperation(name, name)));
    }
    const watcher = await agent.connect(watchPath(["*"], "&since=0"));
    const events = await watcher.takeUntilReady();
    const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    expect(keysOf(events)).toEqual(names.toSorted(byBytes));
    const held = events.slice(0, -1);
    expect(held.every(({ key, value, previous }) => value === key && previous === 0)).toBe(true);
    expect(events.at(-1)?.revision).toBe(Math.max(...held.map(({ revision }) => revision)));
    const live = await agent.set("live", 1);
    expect(await watcher.take(1)).toMatchObject([{ key: "live", revision: live.revision }]);
  });

  it("while others write receives each of their changes once, in the snapshot or after it", async () => {
    const agent = createAgent();
    await agent.writeUnannounced(...Array.from({ length: 600 }, (_, n) => setOperation(`held:${n}`, 0)));
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
      // What was not in the snapshot came in the namespace's order.
      const live = events.filter(({ event, previous, key }) => event === "value" && previous === 0 && key !== "");
      const ready = events.findIndex(({ event }) => event === "ready");
      const after = live.slice(ready).map(({ revision }) => revision);
      expect(after).toEqual(after.toSorted((a, b) => a - b));
    }
  });
});

describe("a watcher that comes back", () => {
  it("with one revision receives what came after it, of all keys, in order", async () => {
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

  it("after more than the log holds is told reset, then what matches, then ready", async () => {
    const agent = createAgent();
    const { revision } = await agent.set("a", "held");
    await agent.writeUnannounced(...setOperations("b", LIMITS.logLength + 1));
    const head = revision + LIMITS.logLength + 1;
    const watcher = await agent.connect(watchPath(["a"], `&since=${revision}`));
    expect(await watcher.takeUntilReady()).toMatchObject([
      { event: "reset", revision: head },
      { event: "value", key: "a", value: "held", revision, previous: 0 },
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
    ["with patterns that are too much together", watchPath(Array.from({ length: 30 }, (_, n) => `${n}`.padEnd(500)))],
    ["with a key", "/watch?pattern=a&key=a"],
    ["with an unknown event", "/watch?pattern=a&event=nope"],
    ["with a bad since", "/watch?pattern=a&since=-1"],
  ])("%s is refused with 4422", async (_, path) => {
    const watcher = await connectMemx(path);
    expect((await watcher.closed).code).toBe(4422);
  });

  it("of as many and as long patterns as are allowed is taken, and they survive hibernation", async () => {
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
  it("is called by writes while somebody watches, and by none before or after", async () => {
    const { channels, calls } = countingChannels();
    const agent = createAgent({ channels });
    const callsOfSet = async () => {
      calls.length = 0;
      await agent.set("a", 1);
      await agent.settled();
      return [...calls];
    };
    expect(await callsOfSet()).toEqual([]);
    const first = await agent.connect(watchPath(["nothing that is ever written"]));
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
