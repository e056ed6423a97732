// The work of one request against schemas: bounded for the whole request, so that no caller keeps the others waiting.

import { describe, expect, it } from "vitest";
import { answer, freshKey, getText, post, problem, request, setSchema, setText } from "../support/client.ts";
import { failTool } from "../support/mcp.ts";

const numbers = (length: number) => Array.from({ length }, (_, n) => n);
const ones = (length: number) => numbers(length).map(() => 1);

/** 300 rules for each item, so about 120 steps. */
const COSTLY = { items: { allOf: numbers(300).map(() => ({})) } };
/** More than a request has steps for. */
const TOO_MANY = ones(1_000);
/** More than half of the steps of a request. */
const MOST = ones(300);

/** As large as a schema can be that `POST /schema` accepts. */
const large = (seed: string) => ({ properties: Object.fromEntries(numbers(2_000).map((n) => [`${seed}${n}`, {}])) });

const refused = async (response: Response) => problem(response, "too_complex");

describe("a request whose checks take too long together is refused, and writes nothing:", () => {
  it("a batch of 60 KB, in which each value takes as long as a request may", async () => {
    const key = freshKey();
    await setSchema(key, COSTLY);
    const operations = numbers(100).map(() => ({ op: "set", key, value: MOST }));
    await refused(await post("/batch", { operations }));
    expect(await getText(key)).toBeNull();
  });

  it("a batch of two values that could each be written alone", async () => {
    const [a, b] = [freshKey(), freshKey()];
    for (const key of [a, b]) await setSchema(key, COSTLY);
    const operations = [a, b].map((key) => ({ op: "set", key, value: MOST }));
    const { detail, errors } = await refused(await post("/batch", { operations }));
    expect(detail).toContain("Checking the values against their schemas takes too many steps.");
    expect(errors).toEqual([{ path: "/operations/1/value", message: "The steps of the request ran out here." }]);
    expect([await getText(a), await getText(b)]).toEqual([null, null]);
    for (const operation of operations) await answer(post("/batch", { operations: [operation] }));
  });

  it("a batch of keys with 100 large schemas, which must be compiled first", async () => {
    const keys = numbers(100).map(freshKey);
    for (const key of keys) await setSchema(key, large("name-of-a-property-"));
    await refused(await post("/batch", { operations: keys.map((key) => ({ op: "set", key, value: 1 })) }));
    expect(await getText(keys[0] as string)).toBeNull();
    // Each of them can be written.
    await answer(post("/set", { key: keys[99], value: 1 }));
  });

  it("a set", async () => {
    const key = freshKey();
    await setSchema(key, COSTLY);
    const { errors } = await refused(await post("/set", { key, value: TOO_MANY }));
    expect(errors).toBeUndefined();
    expect(await getText(key)).toBeNull();
  });

  it("a patch whose result takes too long", async () => {
    const key = freshKey();
    await setSchema(key, COSTLY);
    await answer(post("/set", { key, value: MOST }));
    await refused(await post("/patch", { key, append: { items: ones(300) } }));
    expect(await getText(key)).toBe(JSON.stringify(MOST));
  });

  it("a patch that shifts a long array again and again", async () => {
    const key = freshKey();
    await setText(key, JSON.stringify(ones(100_000)));
    const patch = numbers(2_000).map(() => ({ op: "add", path: "/0", value: 1 }));
    const { detail } = await refused(await post("/patch", { key, patch }));
    expect(detail).toContain("The patch takes too many steps.");
  });

  it("a tool call", async () => {
    const key = freshKey();
    await setSchema(key, COSTLY);
    for (const [tool, args] of [
      ["memx_set", { key, value: TOO_MANY }],
      ["memx_append", { key, items: TOO_MANY }],
    ] as const) {
      expect(await failTool(tool, args)).toMatch(/^too_complex: .*\nNext: write less, or use several keys\.$/);
    }
    expect(await getText(key)).toBeNull();
  });
});

describe("a schema that takes too long to compile is refused, and is not set:", () => {
  it.each<[what: string, schema: object]>([
    // Each of the references took the platform 3 ms.
    [
      "references to a URI of 20,000 characters",
      { $id: `http://a/${"b/".repeat(10_000)}`, prefixItems: numbers(2_500).map((n) => ({ $id: String(n) })) },
    ],
    [
      "12,000 sets of characters",
      {
        prefixItems: numbers(9).map(() => ({
          pattern: numbers(1_350)
            .map((n) => `[${String.fromCodePoint(0x4e00 + n)}]`)
            .join(""),
        })),
      },
    ],
    ["10,000 schemas", { prefixItems: numbers(10_000).map(() => ({})) }],
  ])("%s", async (_what, schema) => {
    const key = freshKey();
    const { detail } = await refused(await post("/schema", { key, schema }));
    expect(detail).toBe("The schema takes too many steps to check and compile. Make it simpler.");
    await problem(await request("GET", `/schema?key=${key}`), "not_found");
  });
});

it("returns the first outcome to a repeat, even if the repeat would take too long", async () => {
  const key = freshKey();
  const headers = { "idempotency-key": crypto.randomUUID() };
  const write = () => answer(post("/set", { key, value: TOO_MANY }, { headers }));
  const first = await write();
  await setSchema(key, COSTLY);
  expect(await write()).toEqual(first);
});

it("describes an error of a value whose check took almost all steps", async () => {
  const key = freshKey();
  await setSchema(key, { prefixItems: [COSTLY], items: { type: "string" } });
  const { errors } = await problem(await post("/set", { key, value: [ones(470), 1] }), "schema_violation");
  expect(errors).toEqual([{ path: "/1", message: "Must be a string." }]);
});
