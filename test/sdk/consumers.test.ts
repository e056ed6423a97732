// How a subscription settles its promises: each `next`, `ready` and `done`, whatever callbacks and listeners do.

import { expect, it } from "vitest";
import { MemxError, type SubscribeOptions, UnauthorizedError } from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectPuppet } from "../support/puppet-socket.ts";
import { connectMemx, TestSocket } from "../support/sdk-client.ts";

it("settles several pending `next` in order", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const subscription = memx.subscribe<number>(key);
  const iterator = subscription[Symbol.asyncIterator]();
  const settled: unknown[] = [];
  const pending = Array.from({ length: 4 }, () =>
    iterator.next().then(({ value, done }) => settled.push(done ? "done" : value.value)),
  );
  await subscription.ready;
  await memx.set(key, 1);
  await memx.set(key, 2);
  await expect.poll(() => settled).toEqual([1, 2]);
  subscription.close();
  await Promise.all(pending);
  expect(settled).toEqual([1, 2, "done", "done"]);
  expect(await iterator.next()).toEqual({ value: undefined, done: true });
});

it("settles every pending `next` when it ends with an error: the first rejects", async () => {
  const { memx } = connectMemx({ apiKey: "unknown_key" });
  const iterator = memx.watch("*")[Symbol.asyncIterator]();
  const results = await Promise.allSettled([iterator.next(), iterator.next(), iterator.next()]);
  expect(results[0]).toMatchObject({ status: "rejected", reason: expect.any(UnauthorizedError) });
  const done = { status: "fulfilled", value: { value: undefined, done: true } };
  expect(results.slice(1)).toEqual([done, done]);
});

it("settles a pending `next` when its iterator returns", async () => {
  const { memx } = connectMemx();
  const iterator = memx.watch(freshKey())[Symbol.asyncIterator]();
  const pending = [iterator.next(), iterator.next()];
  await iterator.return?.();
  expect(await Promise.all(pending)).toEqual([
    { value: undefined, done: true },
    { value: undefined, done: true },
  ]);
});

it("ends with whatever its listener throws, `undefined` too", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const subscription = memx.subscribe(key, () => Promise.reject(undefined));
  await subscription.ready;
  await memx.set(key, 1);
  const outcome = await subscription.done.then(
    () => "resolved",
    (error) => ({ error }),
  );
  expect(outcome).toEqual({ error: undefined });
});

const fails = new Error("in the callback");
const throws = () => {
  throw fails;
};
const rejects = async () => {
  throw fails;
};

it.each([
  ["throws", throws],
  ["rejects", rejects],
])("ends with the error of an `onStatus` that %s", async (_, onStatus) => {
  const { memx } = connectMemx();
  await expect(memx.watch(freshKey(), { onStatus }).done).rejects.toBe(fails);
  await expect(memx.watch(freshKey(), () => {}, { onStatus }).done).rejects.toBe(fails);
});

it("ends with the error of an `onStatus` that throws as it closes", async () => {
  const { memx } = connectMemx();
  const subscription = memx.watch(freshKey(), { onStatus: (status) => status === "closed" && throws() });
  await subscription.ready;
  subscription.close();
  await expect(subscription.done).rejects.toBe(fails);
  expect(subscription.status).toBe("closed");
});

it.each([
  ["throws", throws],
  ["rejects", rejects],
])("ends with the error of an `onReset` that %s", async (_, onReset) => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.set(key, 1);
  // A revision of another memory, ahead of this one.
  const options: SubscribeOptions = { since: 9_000_000_000_000_000, onReset };
  await expect(memx.subscribe(key, () => {}, options).done).rejects.toBe(fails);
  const subscription = memx.subscribe(key, options);
  await expect(subscription[Symbol.asyncIterator]().next()).rejects.toBe(fails);
  expect(subscription.status).toBe("closed");
});

it("waits for the promise of `onReset` before it delivers the snapshot", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.set(key, "current");
  const log: unknown[] = [];
  const onReset = async () => {
    log.push("forgetting");
    await new Promise((resolve) => setTimeout(resolve, 20));
    log.push("forgot");
  };
  memx.subscribe(key, ({ value }) => log.push(value), { since: 9_000_000_000_000_000, onReset });
  await expect.poll(() => log).toEqual(["forgetting", "forgot", "current"]);
});

it("rejects `ready` and `done` with what the constructor of the WebSocket throws", async () => {
  const broken = new Error("no sockets here");
  class Broken {
    constructor() {
      throw broken;
    }
  }
  const { memx } = connectPuppet(() => Response.json({}), { WebSocket: Broken as never });
  const subscription = memx.watch("a");
  await expect(subscription.ready).rejects.toBe(broken);
  expect(subscription.status).toBe("closed");
  await expect(memx.watch("a").done).rejects.toBe(broken);
  await expect(Array.fromAsync(memx.watch("a"))).rejects.toBe(broken);
});

it("keeps the other subscriptions when the constructor throws for a new one", async () => {
  let broken = false;
  class Fragile extends TestSocket {
    constructor(url: string, protocols: string[]) {
      if (broken) throw new Error("no more sockets");
      super(url, protocols);
    }
  }
  const { memx } = connectMemx({ WebSocket: Fragile });
  const key = freshKey();
  const values: unknown[] = [];
  const first = memx.subscribe(key, ({ value }) => values.push(value));
  await first.ready;
  broken = true;
  await expect(memx.subscribe(freshKey()).done).rejects.toThrow("no more sockets");
  await memx.set(key, "still there");
  await expect.poll(() => values).toEqual(["still there"]);
  expect(first.status).toBe("live");
});

it("rejects `ready` if it is closed before that", async () => {
  const { memx } = connectMemx();
  const subscription = memx.subscribe(freshKey());
  subscription.close();
  await expect(subscription.ready).rejects.toBeInstanceOf(MemxError);
  await subscription.done;
});
