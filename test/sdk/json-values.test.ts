// A value is JSON. The client says where one is not, and sends nothing, where `JSON.stringify` would write `null` or `{}`.

import { expect, it } from "vitest";
import { checkJson } from "../../sdk/typescript/check-json.ts";
import { InvalidRequestError } from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import fc from "../support/properties.ts";
import { connectMemx } from "../support/sdk-client.ts";

const cycle: { a: unknown } = { a: [] };
(cycle.a as unknown[]).push(cycle);
let deep: unknown = 1;
for (let level = 0; level < 20_000; level++) deep = [deep];

it.each<[name: string, value: unknown, path: string, message: string]>([
  ["NaN", Number.NaN, "", "JSON has no NaN."],
  ["NaN in a member", { a: { "b/~c": Number.NaN } }, "/a/b~1~0c", "JSON has no NaN."],
  ["Infinity", [1, [Number.POSITIVE_INFINITY]], "/1/0", "JSON has no Infinity."],
  ["-Infinity", [Number.NEGATIVE_INFINITY], "/0", "JSON has no -Infinity."],
  ["undefined in an array", { a: [1, undefined] }, "/a/1", "JSON has no undefined."],
  ["a hole in an array", new Array(2), "/0", "JSON has no undefined."],
  ["a function", { a: () => 1 }, "/a", "JSON has no function."],
  ["a symbol", { a: Symbol("a") }, "/a", "JSON has no symbol."],
  ["a bigint", { a: 1n }, "/a", "JSON has no bigint."],
  ["a Map", { a: new Map([["x", 1]]) }, "/a", "JSON has no Map."],
  ["a Set", new Set([1]), "", "JSON has no Set."],
  ["a Promise", { a: Promise.resolve(1) }, "/a", "JSON has no Promise."],
  ["an Error", { a: new Error("x") }, "/a", "JSON has no Error."],
  ["a RegExp", { a: /x/ }, "/a", "JSON has no RegExp."],
  ["bytes", { a: new Uint8Array([1]) }, "/a", "JSON has no Uint8Array."],
  ["a date that is none", { at: new Date("never") }, "/at", "JSON has no invalid date."],
  ["a boxed NaN", { a: Object(Number.NaN) }, "/a", "JSON has no NaN."],
  ["NaN from toJSON", { a: { toJSON: () => Number.NaN } }, "/a", "JSON has no NaN."],
  ["undefined from toJSON", [{ toJSON: () => undefined }], "/0", "JSON has no undefined."],
  ["a value that contains itself", cycle, "/a/0", "Must not contain itself."],
  ["a value that is too deep", deep, "/0".repeat(999), "Must not have more than 1000 levels of nesting."],
])("refuses %s", async (_, value, path, message) => {
  const { memx, requests } = connectMemx();
  const key = freshKey();
  const error = await memx.set(key, value).catch((reason) => reason);
  expect(error).toBeInstanceOf(InvalidRequestError);
  expect(error).toMatchObject({ code: "invalid_request", key, errors: [{ path, message }] });
  expect(error.message).toContain(path);
  expect(requests).toEqual([]);
});

it("says where in the request it is, in every call that sends a value", async () => {
  const { memx, requests } = connectMemx();
  const key = freshKey();
  const bad = { x: [Number.NaN] };
  const calls: [call: () => Promise<unknown>, path: string][] = [
    [() => memx.set(key, bad), "/x/0"],
    [() => memx.merge(key, bad), "/x/0"],
    [() => memx.setSchema(key, { minimum: Number.NaN }), "/minimum"],
    [() => memx.patch(key, [{ op: "add", path: "", value: bad }]), "/patch/0/value/x/0"],
    [() => memx.append(key, [1, bad]), "/append/items/1/x/0"],
    [() => memx.increment(key, Number.NaN), "/increment/by"],
    [() => memx.set(key, 1, { ttl: Number.POSITIVE_INFINITY }), "/ttl"],
    [() => memx.set(key, 1, { expect: Number.NaN }), "/expect"],
    [() => memx.batch([{ op: "set", key, value: bad }]), "/operations/0/value/x/0"],
    [() => memx.update(key, () => bad, { expect: 0 }), "/x/0"],
    [() => memx.lease(key, { ttl: 10, holder: bad }), "/x/0"],
  ];
  for (const [call, path] of calls) await expect(call()).rejects.toMatchObject({ errors: [{ path }] });
  expect(requests.filter(({ url }) => !url.includes("/get?"))).toEqual([]);
});

it("writes dates, boxed values, class instances and objects without a prototype, and leaves out undefined members", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  class Goal {
    x = 1;
    nothing = undefined;
    move() {}
  }
  const value = {
    at: new Date(0),
    url: new URL("http://memx/"),
    boxed: [Object(1), Object("a"), Object(false)],
    goal: new Goal(),
    bare: Object.assign(Object.create(null), { y: 1 }),
    [Symbol("s")]: 1,
  };
  await memx.set(key, value);
  expect((await memx.get(key))?.value).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    url: "http://memx/",
    boxed: [1, "a", false],
    goal: { x: 1 },
    bare: { y: 1 },
  });
});

it("accepts a value that occurs twice without containing itself", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const part = { x: 1 };
  await memx.set(key, [part, part, { part }]);
  expect((await memx.get(key))?.value).toEqual([part, part, { part }]);
});

it("accepts all JSON", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => checkJson({ value }, "a") === undefined));
});
