// A key, a pattern or a prefix reaches memX as it is, or the client refuses it before it sends anything. In a URL, half of
// a surrogate pair would become U+FFFD, and so another key.

import { expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { InvalidRequestError, type MemX } from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

const HALVES = ["a\ud800", "\udc00a", "a\ud800b", "\udc00\ud800"];

const CALLS: Readonly<Record<string, (memx: MemX, text: string) => Promise<unknown>>> = {
  get: (memx, key) => memx.get(key),
  getMany: (memx, key) => memx.getMany(["a", key]),
  set: (memx, key) => memx.set(key, 1),
  delete: (memx, key) => memx.delete(key),
  patch: (memx, key) => memx.patch(key, []),
  merge: (memx, key) => memx.merge(key, {}),
  increment: (memx, key) => memx.increment(key),
  append: (memx, key) => memx.append(key, []),
  update: (memx, key) => memx.update(key, () => 1),
  history: (memx, key) => Array.fromAsync(memx.history(key)),
  getSchema: (memx, key) => memx.getSchema(key),
  setSchema: (memx, key) => memx.setSchema(key, true),
  deleteSchema: (memx, key) => memx.deleteSchema(key),
  lease: (memx, key) => memx.lease(key, { ttl: 10 }),
  subscribe: async (memx, key) => memx.subscribe(key),
  "the keys of a batch": (memx, key) => memx.batch([{ op: "delete", key }]),
  "a pattern": async (memx, pattern) => memx.watch(pattern),
  "a prefix": (memx, prefix) => Array.fromAsync(memx.keys({ prefix })),
  "an Idempotency-Key": (memx, idempotencyKey) => memx.set("a", 1, { idempotencyKey }),
};

it.each(Object.entries(CALLS))("refuses half of a surrogate pair in %s", async (_, call) => {
  const { memx, requests } = connectMemx();
  for (const half of HALVES) await expect(call(memx, half)).rejects.toBeInstanceOf(InvalidRequestError);
  expect(requests).toEqual([]);
});

it.each(Object.entries(CALLS))("refuses what is not text in %s", async (_, call) => {
  const { memx, requests } = connectMemx();
  for (const wrong of [5, null, {}, [["a", "b"]]]) {
    await expect(call(memx, wrong as never), JSON.stringify(wrong)).rejects.toBeInstanceOf(InvalidRequestError);
  }
  expect(requests).toEqual([]);
});

it("does not touch the key that a wrong one would become", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.setSchema(`${key}\ufffd`, { type: "number" });
  await memx.set(`${key}\ufffd`, 1);
  await expect(memx.get(`${key}\ud800`)).rejects.toBeInstanceOf(InvalidRequestError);
  await expect(memx.deleteSchema(`${key}\ud800`)).rejects.toBeInstanceOf(InvalidRequestError);
  expect(await memx.getSchema(`${key}\ufffd`)).toMatchObject({ schema: { type: "number" } });
});

it.each(["two words", "é", "", "a\nb", "x".repeat(256)])("refuses the Idempotency-Key %j", async (idempotencyKey) => {
  const { memx, requests } = connectMemx();
  await expect(memx.set(freshKey(), 1, { idempotencyKey })).rejects.toMatchObject({ code: "invalid_request" });
  expect(requests).toEqual([]);
});

it("takes keys and patterns as long as memX takes them", async () => {
  const { memx } = connectMemx();
  const key = `${freshKey()}${"é".repeat(500)}`.slice(0, 276);
  const longest = key + "a".repeat(LIMITS.maxKeyBytes - new TextEncoder().encode(key).length);
  await memx.set(longest, 1);
  expect((await memx.get(longest))?.value).toBe(1);
  await expect(memx.get(`${longest}a`)).rejects.toBeInstanceOf(InvalidRequestError);
  await memx.watch("🎈".repeat(LIMITS.maxPatternChars)).ready;
  expect(() => memx.watch("🎈".repeat(LIMITS.maxPatternChars + 1))).toThrow(InvalidRequestError);
});
