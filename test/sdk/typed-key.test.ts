// Keys with a type: the compiler checks them, the library before the SDK sends anything, and memX.

import { exports } from "cloudflare:workers";
import { expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import {
  ConflictError,
  type Entry,
  InvalidRequestError,
  InvalidSchemaError,
  SchemaChangedError,
  SchemaViolationError,
} from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

const Goal = z.object({ x: z.number(), y: z.number().default(0) });
type Goal = z.output<typeof Goal>;

it("registers the schema with the first write, and stores the library's output", async () => {
  const { memx } = connectMemx();
  const goal = memx.key(freshKey(), Goal);
  expect(await goal.get()).toBeNull();
  expect(await memx.getSchema(goal.name)).toBeNull();
  await goal.set({ x: 1 });
  expect((await goal.get())?.value).toEqual({ x: 1, y: 0 });
  expect((await memx.getSchema(goal.name))?.schema).toMatchObject({ type: "object", required: ["x", "y"] });
  await expect(memx.set(goal.name, { x: "1" })).rejects.toBeInstanceOf(SchemaViolationError);
});

it("keeps an equal schema that memX already has", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.key(key, Goal).register();
  const before = await memx.getSchema(key);
  await memx.key(key, Goal).set({ x: 2 });
  expect(await memx.getSchema(key)).toEqual(before);
});

it("registers the schema once for all callers, none of which can end the work of another", async () => {
  const { memx, requests } = connectMemx();
  const goal = memx.key(freshKey(), Goal);
  const abort = new AbortController();
  const reason = new Error("enough");
  const first = goal.set({ x: 1 }, { signal: abort.signal });
  const second = goal.set({ x: 2 });
  const third = goal.update(() => ({ x: 3 }), { signal: AbortSignal.abort(reason) });
  abort.abort(reason);
  await expect(first).rejects.toBe(reason);
  await expect(third).rejects.toBe(reason);
  expect(await second).toMatchObject({ updated: true });
  expect((await goal.get())?.value).toEqual({ x: 2, y: 0 });
  expect(requests.filter(({ url }) => url.endsWith("/schema"))).toHaveLength(1);
});

const Plan = z.object({ x: z.number(), y: z.number(), z: z.number().default(0) });

it("refuses to write to a key whose schema another client has changed, and says how to", async () => {
  const key = freshKey();
  await connectMemx().memx.key(key, Goal).set({ x: 1 });
  const { memx, requests } = connectMemx();
  const before = await memx.getSchema(key);
  const plan = memx.key(key, Plan);
  const error = await plan.set({ x: 2, y: 2 }).catch((reason) => reason);
  expect(error).toBeInstanceOf(SchemaChangedError);
  expect(error).toMatchObject({ code: "schema_changed", key, current: before });
  expect(error.message).toContain('onSchemaChange: "replace"');
  await expect(plan.update(() => ({ x: 2, y: 2 }))).rejects.toBeInstanceOf(SchemaChangedError);
  expect(requests.some(({ url }) => url.endsWith("/set"))).toBe(false);
  expect(await memx.getSchema(key)).toEqual(before);
  // Once the other schema is gone, the same key works.
  await memx.deleteSchema(key);
  await plan.set({ x: 2, y: 2 });
  expect((await plan.get())?.value).toEqual({ x: 2, y: 2, z: 0 });
});

it("replaces the schema of another client on request", async () => {
  const key = freshKey();
  await connectMemx().memx.key(key, Goal).set({ x: 1 });
  const { memx } = connectMemx();
  await memx.key(key, Plan, { onSchemaChange: "replace" }).set({ x: 2, y: 2 });
  expect((await memx.getSchema(key))?.schema).toMatchObject({ required: ["x", "y", "z"] });
});

it("keeps the schema of another client on request, which memX still checks", async () => {
  const key = freshKey();
  await connectMemx().memx.key(key, Goal).set({ x: 1 });
  const { memx } = connectMemx();
  const before = await memx.getSchema(key);
  const kept = memx.key(key, z.object({ x: z.number().optional(), y: z.number() }), { onSchemaChange: "keep" });
  await kept.set({ x: 2, y: 2 });
  await expect(kept.set({ y: 3 })).rejects.toBeInstanceOf(SchemaViolationError);
  expect(await memx.getSchema(key)).toEqual(before);
});

it("replaces a schema that the same client has set", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await memx.key(key, Goal).set({ x: 1 });
  await memx.key(key, Plan).set({ x: 2, y: 2 });
  await memx.setSchema(key, true);
  await memx.key(key, Goal).set({ x: 3 });
  // Another client sets a third one.
  await connectMemx().memx.setSchema(key, { type: "object" });
  await expect(memx.key(key, Plan).set({ x: 4, y: 4 })).rejects.toBeInstanceOf(SchemaChangedError);
});

it("notices that another client sets the schema in the same moment", async () => {
  const key = freshKey();
  const { memx: other } = connectMemx();
  for (const onSchemaChange of ["throw", "replace"] as const) {
    await other.deleteSchema(key).catch(() => {});
    let interfere = true;
    const fetch = async (url: string, init: RequestInit) => {
      if (interfere && init.method === "POST") {
        interfere = false;
        await other.setSchema(key, { type: "object" });
      }
      return exports.default.fetch(new Request(url, init));
    };
    const { memx } = connectMemx({ fetch });
    const written = memx.key(key, Goal, { onSchemaChange }).set({ x: 1 });
    if (onSchemaChange === "throw") await expect(written).rejects.toBeInstanceOf(SchemaChangedError);
    else await written;
    const { schema } = (await memx.getSchema(key)) ?? {};
    expect(schema).toMatchObject(onSchemaChange === "throw" ? { type: "object" } : { required: ["x", "y"] });
  }
});

it("gives up if other clients change the schema again and again", async () => {
  const key = freshKey();
  const { memx: other } = connectMemx();
  let changes = 0;
  const fetch = async (url: string, init: RequestInit) => {
    if (init.method === "POST") await other.setSchema(key, { title: String(changes++) });
    return exports.default.fetch(new Request(url, init));
  };
  const { memx } = connectMemx({ fetch });
  const written = memx.key(key, Goal, { onSchemaChange: "replace" }).set({ x: 1 });
  await expect(written).rejects.toBeInstanceOf(ConflictError);
});

it("refuses an `onSchemaChange` that does not exist", () => {
  const { memx } = connectMemx();
  for (const options of [{ onSchemaChange: "merge" }, { onSchemachange: "keep" }]) {
    expect(() => memx.key(freshKey(), Goal, options as never)).toThrow(InvalidRequestError);
  }
});

it("sends nothing that the library refuses, and reports the place", async () => {
  const { memx, requests } = connectMemx();
  const goal = memx.key(freshKey(), Goal);
  const error = await goal.set({ x: "1" } as never).catch((reason) => reason);
  expect(error).toBeInstanceOf(SchemaViolationError);
  expect(error).toMatchObject({ code: "schema_violation", key: goal.name, errors: [{ path: "/x" }] });
  expect(requests).toEqual([]);
});

it("refuses a schema that JSON Schema cannot describe", async () => {
  const { memx } = connectMemx();
  await expect(memx.key(freshKey(), z.object({ at: z.date() })).register()).rejects.toBeInstanceOf(InvalidSchemaError);
});

it("updates and delivers values of its type", async () => {
  const { memx } = connectMemx();
  const goal = memx.key(freshKey(), Goal);
  const seen: (Goal | undefined)[] = [];
  const subscription = goal.subscribe(({ value }) => seen.push(value));
  await subscription.ready;
  await goal.update((value) => ({ x: (value?.x ?? 0) + 1 }));
  await goal.update((value) => ({ x: (value?.x ?? 0) + 1, y: 5 }));
  await goal.delete();
  await expect.poll(() => seen).toEqual([{ x: 1, y: 0 }, { x: 2, y: 5 }, undefined]);
});

it("does not compile with a value of another type", () => {
  const { memx } = connectMemx();
  const goal = memx.key(freshKey(), Goal);
  // Compiled, never called.
  const calls = () => {
    // @ts-expect-error a string where a number belongs
    void goal.set({ x: "1" });
    // @ts-expect-error nothing where a number belongs
    void goal.set({});
    // @ts-expect-error the result of the change
    void goal.update(() => ({ x: true }));
    // @ts-expect-error a schema that cannot be converted to JSON Schema
    void memx.key("a", { validate: () => true });
  };
  expect(calls).toBeTypeOf("function");
  expectTypeOf(goal.get).returns.resolves.toEqualTypeOf<Entry<Goal> | null>();
  expectTypeOf(memx.get<number>("a")).resolves.toEqualTypeOf<Entry<number> | null>();
  for (const subscription of [] as ReturnType<typeof goal.subscribe>[]) {
    subscription.listen(({ value }) => expectTypeOf(value).toEqualTypeOf<Goal | undefined>());
  }
});
