// Keys with a type: the compiler checks them, the library before the SDK sends anything, and memX.

import { expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { type Entry, InvalidSchemaError, SchemaViolationError } from "../../sdk/typescript/index.ts";
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
