// A mirror is equal to memX at its own revision, whatever happens to its socket, and is read without a call.

import { expect, it } from "vitest";
import {
  InvalidRequestError,
  MemxError,
  type Mirror,
  type SubscriptionStatus,
  UnauthorizedError,
} from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectPuppet } from "../support/puppet-socket.ts";
import { createRandom } from "../support/random.ts";
import { connectMemx } from "../support/sdk-client.ts";

const values = (mirror: Mirror) => Object.fromEntries(Array.from(mirror, ([key, { value }]) => [key, value]));

it("holds the entries of the keys that match, and follows them", async () => {
  const { memx } = connectMemx();
  const prefix = freshKey();
  await memx.set(`${prefix}:a`, { x: 1 });
  await memx.set(`${prefix}:b`, 2);
  await memx.set(`${prefix}other`, "no match");
  const mirror = await memx.mirror(`${prefix}:*`);
  expect(values(mirror)).toEqual({ [`${prefix}:a`]: { x: 1 }, [`${prefix}:b`]: 2 });
  expect(mirror.size).toBe(2);

  await memx.set(`${prefix}:c`, 3, { ttl: 60 });
  const { revision } = await memx.delete(`${prefix}:b`);
  await mirror.at(revision);
  expect(mirror.revision).toBeGreaterThanOrEqual(revision);
  expect(values(mirror)).toEqual({ [`${prefix}:a`]: { x: 1 }, [`${prefix}:c`]: 3 });
  for (const key of ["a", "b", "c"]) expect(mirror.get(`${prefix}:${key}`)).toEqual(await memx.get(`${prefix}:${key}`));
});

it("loses a value that expires", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.set(key, 1, { ttl: 1 });
  const mirror = await memx.mirror(key);
  await expect.poll(() => mirror.get(key)).toBeNull();
  expect(mirror.size).toBe(0);
});

it("is read without a call, also by `get`", async () => {
  const { memx, requests } = connectMemx();
  const key = freshKey();
  await memx.set(key, 1);
  const mirror = await memx.mirror(key);
  const before = requests.length;
  expect(await memx.get(key, { mirror })).toEqual(mirror.get(key));
  expect(requests).toHaveLength(before);
  // A key that the mirror does not cover, and a mirror that has ended, need a call.
  expect(await memx.get(`${key}:other`, { mirror })).toBeNull();
  mirror.close();
  expect((await memx.get(key, { mirror }))?.value).toBe(1);
  expect(requests).toHaveLength(before + 2);
});

it("reaches the revision of a change that it does not cover, and stays live meanwhile", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const statuses: SubscriptionStatus[] = [];
  const mirror = await memx.mirror(key, { onStatus: (status) => statuses.push(status) });
  await expect.poll(() => statuses).toEqual(["live"]);
  const { revision } = await memx.set(`${key}:other`, 1);
  expect(mirror.revision).toBeLessThan(revision);
  await Promise.all([mirror.at(revision), mirror.at(revision - 1), mirror.at(0)]);
  expect(mirror.revision).toBeGreaterThanOrEqual(revision);
  expect(statuses).toEqual(["live"]);
});

it("stops waiting for a revision with the signal, or when the mirror ends", async () => {
  const { memx } = connectMemx();
  const mirror = await memx.mirror(freshKey());
  const never = mirror.revision + 1_000_000;
  await expect(mirror.at(never, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  await expect(mirror.at(never, { signal: AbortSignal.timeout(1) })).rejects.toThrow(/timeout/i);
  const waiting = expect(mirror.at(never)).rejects.toMatchObject({ code: "closed" });
  mirror.close();
  await waiting;
  await expect(mirror.at(0)).rejects.toMatchObject({ code: "closed" });
});

it("names each key that changes, once the mirror has changed", async () => {
  const { memx } = connectMemx();
  const prefix = freshKey();
  await memx.set(`${prefix}:a`, 1);
  const mirror = await memx.mirror(`${prefix}:*`);
  const seen: [string | undefined, unknown][] = [];
  const stop = mirror.onChange((key, entry) => {
    expect(mirror.get(key)).toEqual(entry);
    seen.push([key.at(-1), entry?.value]);
  });
  await memx.set(`${prefix}:b`, 2);
  const { revision } = await memx.delete(`${prefix}:a`);
  await mirror.at(revision);
  stop();
  const last = await memx.set(`${prefix}:c`, 3);
  await mirror.at(last.revision);
  expect(seen).toEqual([
    ["b", 2],
    ["a", undefined],
  ]);
});

it("ends with the error of a listener", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const mirror = await memx.mirror(key);
  const fault = new Error("mine");
  mirror.onChange(() => {
    throw fault;
  });
  await memx.set(key, 1);
  await expect(mirror.done).rejects.toBe(fault);
  expect(() => mirror.get(key)).toThrow(fault);
});

it("throws when it is read after its end", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const mirror = await memx.mirror(key);
  mirror.close();
  await mirror.done;
  expect(mirror.status).toBe("closed");
  for (const read of [() => mirror.get(key), () => mirror.size, () => [...mirror]]) {
    expect(read).toThrow(expect.objectContaining({ code: "closed" }));
  }
  const second = await memx.mirror(key);
  memx.close();
  await second.done;
  expect(() => second.size).toThrow(MemxError);
});

it("refuses a key that it does not cover, and options that cannot work", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const mirror = await memx.mirror(key);
  expect(() => mirror.get(`${key}:other`)).toThrow(InvalidRequestError);
  await expect(mirror.at(1.5)).rejects.toThrow(InvalidRequestError);
  await expect(memx.mirror([])).rejects.toThrow(InvalidRequestError);
  await expect(memx.mirror(key, { maxChars: 0 })).rejects.toThrow(InvalidRequestError);
  await expect(memx.mirror(key, { snapshot: true } as object)).rejects.toThrow(InvalidRequestError);
  await expect(connectMemx({ apiKey: "unknown" }).memx.mirror(key)).rejects.toThrow(UnauthorizedError);
});

it.each(["at its start", "later"])("ends if its entries are too large %s", async (when) => {
  const { memx } = connectMemx();
  const key = freshKey();
  const full = expect.objectContaining({ code: "mirror_full" });
  await memx.set(key, "x".repeat(when === "later" ? 1 : 1_000));
  const opening = memx.mirror(key, { maxChars: 500 });
  if (when === "at its start") return expect(opening).rejects.toEqual(full);
  const mirror = await opening;
  // A value that replaces another one counts once.
  for (let n = 0; n < 10; n++) await memx.set(key, `${n}`.repeat(100));
  await mirror.at((await memx.set(key, 1)).revision);
  await memx.set(key, "x".repeat(1_000));
  await expect(mirror.done).rejects.toEqual(full);
  expect(() => mirror.get(key)).toThrow(full);
});

it("swaps whole states after a reset, and names what differs", async () => {
  const change = (key: string, revision: number) => ({
    ...{ event: "value", action: "set", key, value: revision, ts: revision, revision, previous: 0 },
  });
  const pages = [
    { changes: [change("a", 1), change("b", 2)], revision: 5, reset: false },
    { changes: [change("b", 2), change("c", 1_000)], revision: 1_001, reset: true },
  ];
  const { memx, sockets } = connectPuppet((url) =>
    Response.json(/since=/.test(url) ? pages.shift() : { changes: [], revision: 5, reset: false }),
  );
  const socket = async (at: number) => {
    await expect.poll(() => sockets.length).toBeGreaterThan(at);
    sockets[at]?.emit("open");
    return (frame: object) => sockets[at]?.emit("message", { data: JSON.stringify(frame) });
  };
  const opening = memx.mirror("*");
  const send = await socket(0);
  send({ event: "ready", revision: 5 });
  const mirror = await opening;
  expect(values(mirror)).toEqual({ a: 1, b: 2 });

  const states: [string, unknown, object][] = [];
  mirror.onChange((key, entry) => states.push([key, entry?.value, values(mirror)]));
  send({ event: "reset", revision: 1_001 });
  send(change("c", 1_000));
  // The snapshot of the socket is half a state, too.
  expect(values(mirror)).toEqual({ a: 1, b: 2 });
  send({ event: "ready", revision: 1_001 });
  await expect.poll(() => mirror.revision).toBe(1_001);
  const after = { b: 2, c: 1_000 };
  expect(states).toEqual([
    ["a", undefined, after],
    ["c", 1_000, after],
  ]);
});

it("is equal to memX at its revision, while writers write and its socket breaks", async () => {
  const { memx } = connectMemx();
  const watcher = connectMemx({ pingIntervalMs: 50, pingTimeoutMs: 100 });
  const prefix = freshKey();
  const random = createRandom("mirror");
  const mirror = await watcher.memx.mirror<number>(`${prefix}:*`);
  const start = mirror.revision;
  const written: { revision: number; key: string; value: number | undefined }[] = [];
  const states = new Map<number, [string, number][]>();
  const note = () =>
    states.set(
      mirror.revision,
      Array.from(mirror, ([key, { value }]) => [key, value]),
    );
  let breaks = 0;
  mirror.onChange(() => {
    note();
    const socket = watcher.sockets.at(-1);
    if (!socket?.open || socket.silent || !random.chance(0.2)) return;
    breaks++;
    if (random.chance(0.3)) socket.silent = true;
    else socket.cut();
  });
  const write = async () => {
    for (let n = 0; breaks < 5; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      const key = `${prefix}:${random.integer(0, 9)}`;
      if (random.chance(0.2)) {
        const { deleted, revision } = await memx.delete(key);
        if (deleted) written.push({ revision, key, value: undefined });
      } else {
        const { revision } = await memx.set(key, n);
        written.push({ revision, key, value: n });
      }
    }
  };
  await Promise.all([write(), write(), write(), write()]);
  written.sort((a, b) => a.revision - b.revision);
  await mirror.at(written.at(-1)?.revision ?? 0);
  note();

  const expected = new Map<string, number>();
  let at = 0;
  for (const [revision, entries] of [...states].sort(([a], [b]) => a - b)) {
    for (let change = written[at]; change && change.revision <= revision; change = written[++at]) {
      if (change.value === undefined) expected.delete(change.key);
      else expected.set(change.key, change.value);
    }
    expect(new Map(entries), `at ${revision}`).toEqual(expected);
  }
  expect(start).toBeLessThan(written[0]?.revision ?? 0);
  expect(states.size).toBeGreaterThan(5);
});
