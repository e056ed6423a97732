// Where a channel keeps its cursor: with its sockets, so an event writes no row, whichever of them leave.

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { type Agent, createAgent } from "../support/agent.ts";
import { freshKey } from "../support/client.ts";
import { createRandom } from "../support/random.ts";

type Attachment = { readonly cursor?: number };

const topics = [
  ["a key", (key: string) => [`/subscribe/${key}`, key] as const],
  ["a namespace", (key: string) => [`/watch?pattern=${key}`, ""] as const],
] as const;

/** What the attachments of the open sockets say of the cursor. */
const cursorsOf = (agent: Agent, topic: string) =>
  runInDurableObject(agent.channel(topic), (_, ctx) =>
    ctx
      .getWebSockets()
      .filter(({ readyState }) => readyState === WebSocket.OPEN)
      .flatMap((socket) => (socket.deserializeAttachment() as Attachment).cursor ?? []),
  );

/** Rows that this channel has ever written, deleted, or changed while its object is in memory. */
const rowsWritten = (agent: Agent, topic: string) =>
  runInDurableObject(agent.channel(topic), (_, { storage }) => {
    const [row] = storage.sql.exec<{ n: number }>("SELECT total_changes() AS n");
    return row?.n ?? Number.NaN;
  });

describe.each(topics)("the channel of %s", (_, topicOf) => {
  it("writes no row for an event", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const clients = await Promise.all(Array.from({ length: 5 }, () => agent.connect(path)));
    for (const client of clients) await client.takeUntilReady();
    const before = await rowsWritten(agent, topic);
    expect(before).toBeGreaterThan(0);
    for (let n = 0; n < 20; n++) await agent.set(key, n);
    for (const client of clients) await client.take(20);
    expect(await rowsWritten(agent, topic)).toBe(before);
  });

  it("keeps its cursor at two sockets, and at one if it has no other", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const first = await agent.connect(path);
    const { revision } = await agent.set(key, 1);
    await first.take(2);
    expect(await cursorsOf(agent, topic)).toEqual([revision]);
    for (let n = 0; n < 4; n++) await agent.connect(path);
    expect(await cursorsOf(agent, topic)).toEqual([revision, revision]);
    const next = await agent.set(key, 2);
    await first.take(1);
    expect(await cursorsOf(agent, topic)).toEqual([next.revision, next.revision]);
  });

  it("hands its cursor on when the sockets that have it leave, asleep or awake", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const clients = [];
    for (let n = 0; n < 6; n++) clients.push(await agent.connect(path, { plain: n % 2 === 1 }));
    const last = clients.at(-1);
    let { revision } = await agent.set(key, 0);
    await last?.take(1);
    for (const [n, gone] of clients.slice(0, -1).entries()) {
      if (n % 2 === 0) await agent.hibernate(topic);
      gone.socket.close(1000);
      await gone.closed;
      await expect.poll(() => agent.sockets(topic)).toBe(5 - n);
      expect(await cursorsOf(agent, topic)).toEqual(Array(Math.min(2, 5 - n)).fill(revision));
      await agent.hibernate(topic);
      revision = (await agent.set(key, n + 1)).revision;
      // Once, and nothing else before it.
      expect(await last?.take(1)).toMatchObject([{ revision }]);
    }
  });

  it("hands its cursor on when both sockets leave at once while it sleeps", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const leaving = [await agent.connect(path), await agent.connect(path)];
    const staying = await agent.connect(path, { plain: true });
    await agent.set(key, 1);
    await staying.take(1);
    await agent.hibernate(topic);
    for (const { socket } of leaving) socket.close(1000);
    await Promise.all(leaving.map(({ closed }) => closed));
    await agent.hibernate(topic);
    const { revision } = await agent.set(key, 2);
    expect(await staying.take(1)).toMatchObject([{ value: 2, revision }]);
    expect(await cursorsOf(agent, topic)).toEqual([revision]);
  });

  it("begins where a version before it stored its cursor, and deletes that row", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const client = await agent.connect(path, { plain: true });
    const { revision } = await agent.set(key, 1);
    await client.take(1);
    await runInDurableObject(agent.channel(topic), (_, ctx) => {
      for (const socket of ctx.getWebSockets()) {
        const { cursor: _cursor, ...attachment } = socket.deserializeAttachment();
        socket.serializeAttachment(attachment);
      }
      ctx.storage.kv.put("cursor", revision);
    });
    await agent.hibernate(topic);
    await agent.set(key, 2);
    expect(await client.take(1)).toMatchObject([{ value: 2 }]);
    expect(
      await runInDurableObject(agent.channel(topic), (_, { storage }) => storage.kv.get("cursor")),
    ).toBeUndefined();
    await agent.hibernate(topic);
    await agent.set(key, 3);
    expect(await client.take(1)).toMatchObject([{ value: 3 }]);
  });

  it("closes sockets if no cursor is left for them, so that their clients resume", async () => {
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = topicOf(key);
    const client = await agent.connect(path);
    await client.takeUntilReady();
    await runInDurableObject(agent.channel(topic), (_, ctx) => {
      for (const socket of ctx.getWebSockets()) {
        const { cursor: _cursor, ...attachment } = socket.deserializeAttachment();
        socket.serializeAttachment(attachment);
      }
    });
    await agent.hibernate(topic);
    await agent.set(key, 1);
    expect(await client.closed).toMatchObject({ code: 1013 });
  });
});

it("a cursor is what was sent, whatever leaves, sleeps, and crashes, in any order", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = createRandom(`witness ${seed}`);
    const agent = createAgent();
    const key = freshKey();
    const [path, topic] = random.pick(topics)[1](key);
    type Client = Awaited<ReturnType<typeof agent.connect>>;
    let clients: Client[] = [];
    let head = 0;
    const sleep = () =>
      agent.hibernate(topic).catch(() => {
        // It sleeps already.
      });
    for (let step = 0; step < 25; step++) {
      const what = random.pick(["join", "join", "set", "set", "leave", "leave both", "leave asleep", "sleep", "crash"]);
      if (what === "join") {
        const client = await agent.connect(path);
        await client.takeUntilReady();
        clients.push(client);
      } else if (what === "set") {
        head = (await agent.set(key, step)).revision;
        for (const client of clients) expect(await client.take(1)).toMatchObject([{ value: step, revision: head }]);
      } else if (what.startsWith("leave")) {
        if (what === "leave asleep") await sleep();
        const gone = clients.splice(0, what === "leave" ? 1 : 2);
        for (const { socket } of gone) socket.close(1000);
        await Promise.all(gone.map(({ closed }) => closed));
        if (what === "leave asleep") await sleep();
      } else if (what === "sleep") await sleep();
      else {
        // Wakes it first, because only an object that runs can crash.
        await agent.sockets(topic);
        await evictDurableObject(agent.channel(topic), { webSockets: "close" });
        await Promise.all(clients.map(({ closed }) => closed));
        clients = [];
      }
      const count = Math.min(2, clients.length);
      await expect.poll(() => cursorsOf(agent, topic), { message: `seed ${seed}, ${what}` }).toHaveLength(count);
      if (head > 0) expect(await cursorsOf(agent, topic)).toEqual(Array(count).fill(head));
    }
  }
});
