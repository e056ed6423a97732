// What memX says of a value besides, and reading many keys at once.

import { expect, expectTypeOf, it } from "vitest";
import {
  type Entry,
  ForbiddenError,
  InvalidRequestError,
  type KeyEntry,
  type ValueEvent,
} from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

it("reads many keys at one moment, in their order", async () => {
  const { memx, requests } = connectMemx();
  const [a, b, never] = [freshKey(), freshKey(), freshKey()];
  const first = await memx.set(a, 1);
  const second = await memx.set(b, { x: null });
  const { entries, revision } = await memx.getMany([b, never, a, b]);
  expect(entries).toMatchObject([
    { value: { x: null }, revision: second.revision, ts: second.ts },
    null,
    { value: 1, revision: first.revision },
    { value: { x: null } },
  ]);
  expect(entries[2]).toEqual(await memx.get(a));
  expect(revision).toBe(second.revision);
  const [sent] = requests.filter(({ url }) => url.endsWith("/read"));
  expect(sent?.headers.get("idempotency-key")).toBeNull();
  expectTypeOf(memx.getMany<number>).returns.resolves.toExtend<{
    readonly entries: readonly (Entry<number> | null)[];
  }>();
});

it("begins a subscription where the entries of many keys end", async () => {
  const { memx } = connectMemx();
  const keys = [freshKey(), freshKey()];
  for (const key of keys) await memx.set(key, "before");
  const { revision } = await memx.getMany(keys);
  await memx.set(keys[0] as string, "after");
  const values: unknown[] = [];
  memx.subscribe(keys, ({ value }) => values.push(value), { since: revision });
  await expect.poll(() => values).toEqual(["after"]);
});

it("refuses to read no keys, too many, or one that the API key must not read", async () => {
  const { memx } = connectMemx();
  await expect(memx.getMany([])).rejects.toBeInstanceOf(InvalidRequestError);
  await expect(memx.getMany(Array.from({ length: 1_001 }, freshKey))).rejects.toBeInstanceOf(InvalidRequestError);
  const { memx: guest } = connectMemx({ apiKey: "agent_key_1" });
  const error = await guest.getMany(["memx:query", "secret"]).catch((reason) => reason);
  expect(error).toBeInstanceOf(ForbiddenError);
  expect(error.message).toContain('"secret"');
});

it("finds out with one request whether the API key may read the keys of many subscriptions", async () => {
  const { memx, requests } = connectMemx();
  const prefix = freshKey();
  const keys = Array.from({ length: 1_500 }, (_, n) => `${prefix}:${n}`);
  const abort = new AbortController();
  // It ends its own waiting only.
  const ended = memx.subscribe(keys, { signal: abort.signal });
  const subscriptions = [memx.subscribe(keys), memx.subscribe(`${prefix}:1`)];
  abort.abort();
  await Promise.all([...subscriptions.map(({ ready }) => ready), ended.done]);
  expect(requests.map(({ url }) => new URL(url).pathname)).toEqual(["/whoami"]);
  // A later one asks again: the scopes may have changed.
  await memx.subscribe(keys).ready;
  expect(requests).toHaveLength(2);
});

it("refuses a subscription to many keys if the API key must not read one of them, which it names", async () => {
  const { memx } = connectMemx({ apiKey: "agent_key_1" });
  await expect(memx.subscribe("secret").ready).rejects.toMatchObject({ code: "forbidden", key: "secret" });
  const error = await memx.subscribe(["memx:query", "secret"]).done.catch((reason) => reason);
  expect(error).toBeInstanceOf(ForbiddenError);
  expect(error).toMatchObject({ key: "secret", message: expect.stringContaining('"secret"') });
});

it("says when a value was created and when it expires, in entries, listings, events and the history", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const events: ValueEvent[] = [];
  await memx.subscribe(key, (event) => events.push(event)).ready;
  const { ts: created } = await memx.set(key, 1);
  expect(await memx.get(key)).toMatchObject({ created });
  expect(await memx.get(key)).not.toHaveProperty("expires");
  const { ts } = await memx.set(key, 2, { ttl: 1_000 });
  const entry = await memx.get(key);
  expect(entry).toMatchObject({ value: 2, created });
  expect(entry?.expires).toBeCloseTo(ts + 1_000, 0);
  const { created: _, expires } = entry as Entry;
  expect(await Array.fromAsync(memx.keys({ prefix: key, values: true }))).toMatchObject([{ created, expires }]);
  expect(await Array.fromAsync(memx.history(key))).toMatchObject([{ value: 2, created, expires }, { created }]);
  await expect.poll(() => events).toMatchObject([{ created }, { created, expires }]);
  expectTypeOf<Entry["expires"]>().toEqualTypeOf<number | undefined>();
  expectTypeOf<KeyEntry["created"]>().toEqualTypeOf<number | undefined>();
  for (const event of [] as ValueEvent[])
    if (event.action === "set") expectTypeOf(event.expires).toEqualTypeOf<number | undefined>();
});

it('keeps the time to live with `ttl: "keep"`, and in `update`', async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.set(key, 1, { ttl: 1_000 });
  const expires = (await memx.get(key))?.expires;
  expect(expires).toEqual(expect.any(Number));
  await memx.set(key, 2, { ttl: "keep" });
  expect(await memx.get(key)).toMatchObject({ value: 2, expires });
  await memx.update<number>(key, (value = 0) => value + 1, { ttl: "keep" });
  expect(await memx.get(key)).toMatchObject({ value: 3, expires });
  // As a patch does.
  await memx.update<number>(key, (value = 0) => value + 1);
  expect(await memx.get(key)).toMatchObject({ value: 4, expires });
  await memx.batch([{ op: "set", key, value: 5, ttl: "keep" }]);
  expect(await memx.get(key)).toMatchObject({ value: 5, expires });
  await memx.update<number>(key, (value = 0) => value + 1, { ttl: 5_000 });
  expect((await memx.get(key))?.expires).toBeGreaterThan((expires as number) + 1_000);
  await memx.set(key, 7);
  expect(await memx.get(key)).not.toHaveProperty("expires");
  const forever = freshKey();
  await memx.update(forever, () => 1);
  expect(await memx.get(forever)).not.toHaveProperty("expires");
});

it("names the client that wrote, in entries and events", async () => {
  const { memx } = connectMemx({ agent: "planner 1" });
  const { memx: nameless } = connectMemx();
  const key = freshKey();
  const writers: unknown[] = [];
  await nameless.subscribe(key, ({ by }) => writers.push(by), { event: "all" }).ready;
  await memx.set(key, 1);
  expect(await nameless.get(key)).toMatchObject({ by: "planner 1" });
  await nameless.set(key, 2);
  expect(await nameless.get(key)).not.toHaveProperty("by");
  await memx.setSchema(key, true);
  await memx.increment(key);
  await memx.delete(key);
  await expect.poll(() => writers).toEqual(["planner 1", undefined, "planner 1", "planner 1", "planner 1"]);
  const history = await Array.fromAsync(memx.history(key));
  expect(history.map(({ by }) => by).reverse()).toEqual(writers);
});
