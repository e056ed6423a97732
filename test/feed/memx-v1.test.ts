// What a client of the subprotocol `memx.v1` receives about one key, and how it resumes.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { createAgent, setOperations } from "../support/agent.ts";
import { freshKey } from "../support/client.ts";
import { connect, type Event } from "../support/subscriber.ts";

const pathOf = (key: string, query = "") => `/subscribe/${encodeURIComponent(key)}${query}`;
const valuesOf = (events: readonly Event[]) => events.map(({ value }) => value);
const base64url = (text: string) =>
  new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });

describe("the subprotocol", () => {
  const apiKey = `memx.key.${base64url("local_dev_key")}`;

  it.each([
    ["alone", "memx.v1"],
    ["before the key", `memx.v1, ${apiKey}`],
    ["after the key", `${apiKey},memx.v1`],
    ["among others", "graphql-ws, memx.v1 , other"],
  ])("memx.v1 alone is echoed when a client offers it %s", async (_, offered) => {
    const client = await connect(pathOf(freshKey()), {
      "sec-websocket-protocol": offered,
      ...(!offered.includes(apiKey) && { "x-api-key": "local_dev_key" }),
    });
    expect(client.subprotocol).toBe("memx.v1");
    await expect.poll(() => client.texts.length).toBe(1);
  });

  it.each([
    ["nothing", undefined],
    ["only the key", apiKey],
    ["only others", "graphql-ws, memx.v2"],
  ])("is not echoed to a client that offers %s, and the client gets no ready", async (_, offered) => {
    const agent = createAgent();
    const key = freshKey();
    const client = await connect(
      pathOf(key),
      offered === undefined ? {} : { "sec-websocket-protocol": offered },
      agent.fetch,
    );
    expect(client.subprotocol).toBeNull();
    const { revision } = await agent.set(key, 1);
    await expect.poll(() => client.texts.length).toBe(1);
    expect(JSON.parse(client.texts[0] as string)).toMatchObject({ event: "value", revision });
  });
});

describe("ready", () => {
  it("comes at once without since, with the namespace's last revision, and only live changes follow", async () => {
    const agent = createAgent();
    const key = freshKey();
    await agent.set(key, "before");
    const { revision } = await agent.set("another", 1);
    const client = await agent.connect(pathOf(key));
    await client.take(1);
    expect(client.texts).toEqual([`{"event":"ready","revision":${revision}}`]);
    const live = await agent.set(key, "live");
    expect(await client.take(1)).toMatchObject([{ value: "live", revision: live.revision }]);
    expect(client.texts).toHaveLength(2);
  });

  it.each(["", "?since=0"])(
    "comes for a key that was never written, with a revision to resume from: %j",
    async (query) => {
      const agent = createAgent();
      const key = freshKey();
      const client = await agent.connect(pathOf(key, query));
      const [ready] = await client.take(1);
      expect(ready).toEqual({ event: "ready", revision: expect.any(Number) });
      const { revision } = await agent.set(key, 1);
      expect(revision).toBeGreaterThan(ready?.revision as number);
      const later = await agent.connect(pathOf(key, `?since=${ready?.revision}`));
      expect(await later.takeUntilReady()).toMatchObject([
        { event: "value", value: 1, revision },
        { event: "ready", revision },
      ]);
    },
  );

  it("comes even if nothing has changed since", async () => {
    const agent = createAgent();
    const key = freshKey();
    const { revision } = await agent.set(key, 1);
    const client = await agent.connect(pathOf(key, `?since=${revision}`));
    const live = await agent.set(key, 2);
    expect(await client.take(2)).toEqual([
      { event: "ready", revision },
      expect.objectContaining({ value: 2, revision: live.revision, previous: revision }),
    ]);
  });

  it("and reset never come to a plain client, even when the log no longer reaches back", async () => {
    const agent = createAgent();
    const key = freshKey();
    const client = await agent.connect(pathOf(key), { plain: true });
    await agent.set(key, "first");
    await client.take(1);
    await agent.writeUnannounced(...setOperations(key, LIMITS.logLength + 100));
    await agent.set(key, "second");
    await client.takeUntil(({ value }) => value === "second");
    await agent.set(key, "last");
    await client.takeUntil(({ value }) => value === "last");
    const events = client.texts.map((text) => JSON.parse(text) as Event);
    expect(new Set(events.map(({ event }) => event))).toEqual(new Set(["value"]));
    expect(valuesOf(events)).toEqual(["first", "second", "last"]);
  });

  it("comes to a client without the subprotocol that gives since", async () => {
    const agent = createAgent();
    const key = freshKey();
    const { revision } = await agent.set(key, 1);
    const client = await agent.connect(pathOf(key, "?since=0"), { plain: true });
    expect(client.subprotocol).toBeNull();
    expect(await client.takeUntilReady()).toMatchObject([{ value: 1 }, { event: "ready", revision }]);
  });
});

describe("since", () => {
  it("replays exactly the later changes, in order and in the same texts, then ready, then live changes", async () => {
    const agent = createAgent();
    const key = freshKey();
    const witness = await agent.connect(pathOf(key, "?event=all"));
    await witness.takeUntilReady();
    await agent.set(key, 1);
    const { revision } = await agent.set(key, 2);
    await agent.setText(key, '{"n":9007199254740993, "f":1.0,\n"s":"\\u2028"}');
    await agent.set("another", "in between");
    await agent.setSchema(key, true);
    await agent.writeUnannounced({ op: "delete", key });
    const last = await agent.set(key, "again");
    await witness.take(6);

    const client = await agent.connect(pathOf(key, `?event=all&since=${revision}`));
    await client.takeUntilReady();
    expect(client.texts).toEqual([...witness.texts.slice(3), `{"event":"ready","revision":${last.revision}}`]);
    await agent.set(key, "live");
    const next = { value: "live", previous: last.revision };
    expect(await client.take(1)).toMatchObject([next]);
    expect(await witness.take(1)).toMatchObject([next]);
  });

  it("replays the kinds of change that event selects", async () => {
    const agent = createAgent();
    const key = freshKey();
    const { revision } = await agent.set(key, 1);
    const schema = await agent.setSchema(key, { type: "number" });
    const value = await agent.set(key, 2);
    const revisionsOf = async (event: string) => {
      const client = await agent.connect(pathOf(key, `?event=${event}&since=${revision}`));
      return (await client.takeUntilReady()).map((one) => one.revision);
    };
    expect(await revisionsOf("value")).toEqual([value.revision, value.revision]);
    expect(await revisionsOf("schema")).toEqual([schema.revision, value.revision]);
    expect(await revisionsOf("all")).toEqual([schema.revision, value.revision, value.revision]);
  });

  it.each([
    ["value", ["value"]],
    ["schema", ["schema"]],
    ["all", ["schema", "value"]],
  ])("0 starts with a snapshot of what event=%s selects, then ready, then live changes", async (event, kinds) => {
    const agent = createAgent();
    const key = freshKey();
    const { ts: created } = await agent.set(key, "overwritten");
    const schema = await agent.setSchema(key, { type: ["string", "number"] });
    const value = await agent.setText(key, "1.0");
    const client = await agent.connect(pathOf(key, `?event=${event}&since=0`));
    const events = await client.takeUntilReady();
    const common = { action: "set", key, previous: 0, ts: expect.any(Number) };
    const snapshot: Record<string, unknown> = {
      value: { event: "value", ...common, value: 1, revision: value.revision, ts: value.ts, created },
      schema: { event: "schema", ...common, schema: { type: ["string", "number"] }, revision: schema.revision },
    };
    expect(events).toEqual([...kinds.map((kind) => snapshot[kind]), { event: "ready", revision: value.revision }]);
    if (event !== "schema") expect(client.texts.join()).toContain('"value":1.0,');
    await agent.setSchema(key, true);
    await agent.set(key, "live");
    const live = [
      { event: "schema", previous: value.revision },
      { event: "value", value: "live" },
    ];
    expect(await client.take(kinds.length)).toMatchObject(live.filter((one) => kinds.includes(one.event)));
  });

  it("0 starts with ready alone if the value was deleted", async () => {
    const agent = createAgent();
    const key = freshKey();
    await agent.set(key, 1);
    await agent.writeUnannounced({ op: "delete", key });
    const client = await agent.connect(pathOf(key, "?since=0&event=all"));
    expect(await client.takeUntilReady()).toMatchObject([{ event: "ready" }]);
  });

  it.each([900, LIMITS.logLength])("from %d changes ago replays exactly those", async (count) => {
    const agent = createAgent();
    const key = freshKey();
    const first = await agent.connect(pathOf(key));
    const { revision } = await agent.set(key, "seen");
    await first.take(2);
    first.socket.close(1000);
    await first.closed;
    await agent.writeUnannounced(...setOperations(key, count));
    const second = await agent.connect(pathOf(key, `?since=${revision}`));
    const events = await second.takeUntilReady();
    expect(valuesOf(events)).toEqual([...Array(count).keys(), undefined]);
    expect(events.map((event) => event.revision - revision)).toEqual(
      [...Array(count).keys(), count - 1].map((n) => n + 1),
    );
  });

  it.each([LIMITS.logLength + 1, 1_100])("from %d changes ago gets reset, the snapshot and ready", async (count) => {
    const agent = createAgent();
    const key = freshKey();
    const { revision } = await agent.set(key, "seen");
    await agent.writeUnannounced(...setOperations(key, count));
    const client = await agent.connect(pathOf(key, `?since=${revision}`));
    const head = revision + count;
    expect(await client.takeUntilReady()).toEqual([
      { event: "reset", revision: head },
      expect.objectContaining({ event: "value", key, value: count - 1, revision: head, previous: 0 }),
      { event: "ready", revision: head },
    ]);
    await agent.set(key, "live");
    expect(await client.take(1)).toMatchObject([{ value: "live", previous: head }]);
  });

  it("of a quiet key gets no reset, however busy the namespace was", async () => {
    const agent = createAgent();
    const key = freshKey();
    const { revision } = await agent.set(key, "quiet");
    await agent.writeUnannounced(...setOperations("busy", LIMITS.logLength + 100));
    const client = await agent.connect(pathOf(key, `?since=${revision}`));
    const head = revision + LIMITS.logLength + 100;
    await agent.set(key, "live");
    expect(await client.take(2)).toMatchObject([
      { event: "ready", revision: head },
      { value: "live", previous: revision },
    ]);
  });

  it("of a key whose only change has left the log gets a reset", async () => {
    const agent = createAgent();
    const key = freshKey();
    const before = await agent.set("busy", "first");
    const { revision } = await agent.set(key, "changed");
    await agent.writeUnannounced(...setOperations("busy", LIMITS.logLength));
    const client = await agent.connect(pathOf(key, `?since=${before.revision}`));
    expect(await client.takeUntilReady()).toMatchObject([
      { event: "reset", revision: revision + LIMITS.logLength },
      { event: "value", value: "changed", revision, previous: 0 },
      { event: "ready", revision: revision + LIMITS.logLength },
    ]);
  });

  it.each([1, 1_000_000])("that is %d past the last revision gets a reset", async (ahead) => {
    const agent = createAgent();
    const key = freshKey();
    const { revision } = await agent.set(key, 1);
    const client = await agent.connect(pathOf(key, `?since=${revision + ahead}`));
    expect(await client.takeUntilReady()).toMatchObject([
      { event: "reset", revision },
      { value: 1, revision, previous: 0 },
      { event: "ready", revision },
    ]);
  });

  it.each(["", "-1", "+5", "1.5", "01", "1e3", "abc", "0x1", " 1", "99999999999999999", "1&since=2"])(
    "that is %j is refused",
    async (since) => {
      const client = await createAgent().connect(pathOf(freshKey(), `?since=${since}`));
      expect((await client.closed).code).toBe(4422);
      expect(client.texts).toEqual([]);
    },
  );
});

describe("a client that joins while others write", () => {
  it("with since=0 receives the snapshot and every later change, once and in order", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [writers, writes] = [8, 25];
    let lastWritten = 0;
    const joined: { before: number; client: ReturnType<typeof agent.connect> }[] = [];
    const write = async (writer: number) => {
      for (let n = 0; n < writes; n++) {
        lastWritten = Math.max(lastWritten, (await agent.set(key, `${writer}.${n}`)).revision);
        if (writer < 2) joined.push({ before: lastWritten, client: agent.connect(pathOf(key, "?since=0")) });
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    const last = await agent.set(key, "last");
    expect(joined).toHaveLength(2 * writes);
    for (const { before, client: connecting } of joined) {
      const client = await connecting;
      await client.takeUntil(({ revision, event }) => event === "value" && revision === last.revision);
      await expect.poll(() => client.texts.filter((text) => text.startsWith('{"event":"ready"'))).toHaveLength(1);
      const events = client.texts.map((text) => JSON.parse(text) as Event).filter(({ event }) => event === "value");
      // From the second on, each event links to the one before it. The first is from the snapshot, or replaced it.
      const revisions = events.map(({ revision }) => revision);
      expect(events.slice(1).map(({ previous }) => previous)).toEqual(revisions.slice(0, -1));
      expect(revisions[0]).toBeGreaterThanOrEqual(before);
      expect(revisions.at(-1)).toBe(last.revision);
      client.socket.close(1000);
    }
  });

  it("with a revision receives every change after it, once and in order", async () => {
    const agent = createAgent();
    const key = freshKey();
    const { revision: since } = await agent.set(key, "seen");
    const joined: Promise<Awaited<ReturnType<typeof agent.connect>>>[] = [];
    const write = async (writer: number) => {
      for (let n = 0; n < 25; n++) {
        await agent.set(key, `${writer}.${n}`);
        if (writer === 0) joined.push(agent.connect(pathOf(key, `?since=${since}`)));
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
    for (const client of await Promise.all(joined)) {
      await client.takeUntil(({ revision, event }) => event === "value" && revision === since + 200);
      const events = client.texts.map((text) => JSON.parse(text) as Event).filter(({ event }) => event === "value");
      expect(events.map(({ revision }) => revision - since)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
      client.socket.close(1000);
    }
  });
});

describe("the API key of a browser", () => {
  const connectWith = (offered: string, headers: HeadersInit = {}, path = pathOf(freshKey())) =>
    connect(path, { ...Object.fromEntries(new Headers(headers)), "sec-websocket-protocol": offered });

  it("is read from memx.key.<base64url>, whatever visible ASCII characters it has", async () => {
    const apiKey = `x~/+?=,;"'\\${crypto.randomUUID()}`;
    const agent = createAgent({ apiKey });
    const encoded = `memx.key.${base64url(apiKey)}`;
    const client = await connect(
      pathOf(freshKey()),
      { "sec-websocket-protocol": `memx.v1, ${encoded}` },
      agent.fetchWithoutKey,
    );
    expect(client.subprotocol).toBe("memx.v1");
    await expect.poll(() => client.texts.length).toBe(1);
  });

  it.each([
    ["is missing", "memx.v1", 4401],
    ["is empty", "memx.v1, memx.key.", 4401],
    ["is not base64url", "memx.v1, memx.key.!!!", 4401],
    [
      "is not UTF-8",
      `memx.v1, memx.key.${new Uint8Array([255, 254]).toBase64({ alphabet: "base64url", omitPadding: true })}`,
      4401,
    ],
    ["has other characters than visible ASCII", `memx.v1, memx.key.${base64url("clé")}`, 4403],
    ["is unknown", `memx.v1, memx.key.${base64url("nobody")}`, 4403],
    ["must not read the key", `memx.v1, memx.key.${base64url("agent_key_1")}`, 4403],
  ])("that %s is refused, with memx.v1 echoed so that the client sees the close code", async (_, offered, code) => {
    const client = await connectWith(offered);
    expect(client.subprotocol).toBe("memx.v1");
    const closed = await client.closed;
    expect(closed.code).toBe(code);
    expect(closed.reason).not.toBe("");
    expect(client.texts).toEqual([]);
  });

  it("is ignored if there is an x-api-key header, whichever of the two is valid", async () => {
    const good = `memx.v1, memx.key.${base64url("local_dev_key")}`;
    expect((await (await connectWith(good, { "x-api-key": "nobody" })).closed).code).toBe(4403);
    const bad = `memx.v1, memx.key.${base64url("nobody")}`;
    const client = await connectWith(bad, { "x-api-key": "local_dev_key" });
    await expect.poll(() => client.texts.length).toBe(1);
  });

  it("is refused with 4422 and memx.v1 echoed when the rest of the request is bad", async () => {
    const client = await connectWith(
      `memx.v1, memx.key.${base64url("local_dev_key")}`,
      {},
      pathOf(freshKey(), "?since=x"),
    );
    expect(client.subprotocol).toBe("memx.v1");
    expect((await client.closed).code).toBe(4422);
  });
});
