// Every call of the SDK against the Worker, and the errors that it rejects with.

import { expect, expectTypeOf, it } from "vitest";
import {
  type BatchResult,
  ConflictError,
  type Entry,
  ForbiddenError,
  InvalidRequestError,
  InvalidSchemaError,
  type JsonSchema,
  MemX,
  NotFoundError,
  SchemaViolationError,
  UnauthorizedError,
} from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

it("writes, reads and deletes a value", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  expect(await memx.get(key)).toBeNull();
  const { revision, ts, updated } = await memx.set(key, { x: [1, "zwei", null] });
  expect(updated).toBe(true);
  expect(await memx.get(key)).toMatchObject({ value: { x: [1, "zwei", null] }, revision, ts });
  expect(await memx.delete(key)).toMatchObject({ ok: true, deleted: true });
  expect(await memx.get(key)).toBeNull();
  expect(await memx.delete(key)).toMatchObject({ deleted: false });
});

it("accepts keys that have special characters of URLs and globs", async () => {
  const { memx } = connectMemx();
  for (const name of ["..", "a/b?c=d&e#f", "100 % + ä 🎈", "[x]*?"]) {
    const key = `${freshKey()}${name}`;
    await memx.set(key, name);
    expect((await memx.get(key))?.value).toBe(name);
  }
});

it("changes a part of a value", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  expect((await memx.increment(key)).value).toBe(1);
  expect((await memx.increment(key, 2.5)).value).toBe(3.5);
  await memx.set(key, { count: 1, list: [1], gone: true });
  expect((await memx.increment(key, 2, { path: "/count" })).value).toMatchObject({ count: 3 });
  expect((await memx.append(key, [2, 3], { path: "/list", limit: 2 })).value).toMatchObject({ list: [2, 3] });
  expect((await memx.merge(key, { gone: null })).value).toEqual({ count: 3, list: [2, 3] });
  const { value, revision } = await memx.patch<{ list: number[] }>(key, [{ op: "add", path: "/list/-", value: 4 }]);
  expect(value.list).toEqual([2, 3, 4]);
  expect(await memx.get(key)).toMatchObject({ value, revision });
});

it("applies all operations of a batch, or none", async () => {
  const { memx } = connectMemx();
  const [a, b] = [freshKey(), freshKey()];
  const { results } = await memx.batch([
    { op: "set", key: a, value: 1, expect: 0 },
    { op: "set", key: b, value: 2 },
  ]);
  expect(results).toHaveLength(2);
  const failed = memx.batch([
    { op: "delete", key: b },
    { op: "check", key: a, expect: 0 },
  ]);
  await expect(failed).rejects.toBeInstanceOf(ConflictError);
  expect((await memx.get(b))?.value).toBe(2);
});

it("types the results of a batch as memX sends them", async () => {
  const { memx } = connectMemx();
  const [a, b] = [freshKey(), freshKey()];
  const { revision, ts } = await memx.set(a, 1);
  const { results } = await memx.batch([
    { op: "check", key: a, expect: revision },
    { op: "set", key: a, value: 2, ts: ts - 10 },
    { op: "set", key: b, value: 3 },
    { op: "delete", key: freshKey() },
  ]);
  expect(results).toEqual([
    { revision },
    { updated: false, revision, ts },
    { updated: true, revision: expect.any(Number), ts: expect.any(Number) },
    { deleted: false, revision: 0 },
  ]);
  expectTypeOf<BatchResult>().toEqualTypeOf<{
    readonly updated?: boolean;
    readonly deleted?: boolean;
    readonly revision: number;
    readonly ts?: number;
  }>();
});

it("lists keys with their values, over several pages", async () => {
  const { memx } = connectMemx();
  const prefix = freshKey();
  const names = Array.from({ length: 7 }, (_, n) => `${prefix}:${n}`);
  for (const name of names) await memx.set(name, name);
  const listed = await Array.fromAsync(memx.keys<string>({ prefix, values: true, pageSize: 3 }));
  expect(listed.map(({ key, value }) => [key, value])).toEqual(names.map((name) => [name, name]));
});

it("reads a key's history, newest first, over several pages", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  for (let n = 0; n < 5; n++) await memx.set(key, n);
  await memx.delete(key);
  const history = await Array.fromAsync(memx.history<number>(key, { pageSize: 2 }));
  expect(history.map((change) => (change.event === "value" ? change.value : "schema"))).toEqual([
    undefined,
    4,
    3,
    2,
    1,
    0,
  ]);
});

it("sets, reads and deletes a schema, and says where a value violates it", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  expect(await memx.getSchema(key)).toBeNull();
  const { revision } = await memx.setSchema(key, { type: "object", properties: { x: { type: "number" } } });
  expect(await memx.getSchema(key)).toMatchObject({ key, revision, schema: { type: "object" } });
  const error = await memx.set(key, { x: "1" }).catch((reason) => reason);
  expect(error).toBeInstanceOf(SchemaViolationError);
  expect(error).toMatchObject({ code: "schema_violation", status: 400, key, errors: [{ path: "/x" }] });
  await memx.deleteSchema(key);
  await expect(memx.deleteSchema(key)).rejects.toBeInstanceOf(NotFoundError);
  await expect(memx.setSchema(key, { type: "nope" })).rejects.toBeInstanceOf(InvalidSchemaError);
});

it("writes only if `expect` matches, and otherwise reports the current entry", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const { revision, ts } = await memx.set(key, "first", { expect: 0 });
  const error = await memx.set(key, "second", { expect: 0 }).catch((reason) => reason);
  expect(error).toBeInstanceOf(ConflictError);
  expect(error.current).toMatchObject({ value: "first", revision, ts });
  await memx.set(key, "second", { expect: revision });
});

it("reports the current value or the current schema in a conflict", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const written = await memx.set(key, { x: 1 });
  const conflict = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof ConflictError) return error.current;
    throw error;
  };

  const value = await conflict(memx.set(key, 2, { expect: 0 }));
  expect(value).toMatchObject({ value: { x: 1 }, revision: written.revision, ts: written.ts });
  expect(await conflict(memx.setSchema(key, true, { expect: 1 }))).toBeNull();
  const { revision } = await memx.setSchema(key, { type: "object" });
  const schema = await conflict(memx.deleteSchema(key, { expect: 0 }));
  expect(schema).toEqual({ schema: { type: "object" }, revision, ts: expect.any(Number) });

  // Both fields can be read without a cast, and `schema` tells the two cases apart.
  expectTypeOf(value?.value).toEqualTypeOf<unknown>();
  expectTypeOf(schema?.schema).toEqualTypeOf<JsonSchema | undefined>();
  if (value && value.schema === undefined) expectTypeOf(value).toExtend<Entry>();
  if (schema?.schema !== undefined) expectTypeOf(schema.value).toEqualTypeOf<undefined>();
});

it("returns nothing after the value's time to live", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.set(key, "soon gone", { ttl: 1 });
  await expect.poll(() => memx.get(key)).toBeNull();
});

it("reports memX's health without an API key", async () => {
  const { memx } = connectMemx({ apiKey: "" });
  expect(await memx.health()).toMatchObject({ status: "ok", store: expect.any(String) });
});

it("rejects with one error class per case", async () => {
  const key = freshKey();
  const { memx } = connectMemx();
  await expect(connectMemx({ apiKey: "unknown_key" }).memx.get(key)).rejects.toBeInstanceOf(UnauthorizedError);
  await expect(connectMemx({ apiKey: "agent_key_1" }).memx.get(key)).rejects.toBeInstanceOf(ForbiddenError);
  await expect(memx.set("", 1)).rejects.toBeInstanceOf(InvalidRequestError);
  await expect(memx.set(key, "x".repeat(300_000))).rejects.toMatchObject({ code: "too_large", status: 413 });
});

it("rejects an aborted call with the reason of its signal, and sends nothing", async () => {
  const { memx, requests } = connectMemx();
  const reason = new Error("enough");
  await expect(memx.get(freshKey(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(requests).toEqual([]);
});

it("refuses a wrong base URL in the constructor", () => {
  expect(() => new MemX({ baseUrl: "ftp://memx" })).toThrow(TypeError);
});

it("sends every kind of JSON value", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  for (const value of [0, -0.5, "", false, null, [], {}]) {
    await memx.set(key, value);
    expect((await memx.get(key))?.value).toEqual(value);
  }
});

it("updates a value without undoing the updates of other writers", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; n < 3; n++) {
        await memx.update<string[]>(key, (list = []) => [...list, `${writer}-${n}`]);
      }
    }),
  );
  const list = (await memx.get<string[]>(key))?.value ?? [];
  expect(new Set(list).size).toBe(24);
  const before = await memx.get(key);
  expect(await memx.update(key, () => undefined)).toEqual(before);
  expect(await memx.get(key)).toEqual(before);
});

it("says what the API key may do, and that the store is well", async () => {
  const { memx } = connectMemx();
  const { engine, scopes, limits } = await memx.whoami();
  expect(scopes).toEqual({ read: ["*"], write: ["*"] });
  expect(Object.values(limits).every(Number.isInteger)).toBe(true);
  expect(await memx.health()).toMatchObject({ status: "ok", store: engine });
});
