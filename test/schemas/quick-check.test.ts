// The quick check of requests may refuse anything, but it accepts only requests that the validator accepts too.

import { describe, expect, it } from "vitest";
import { compileSchema } from "../../memory/schemas/compile-schema.ts";
import type { JsonSchema } from "../../memory/schemas/json-schema.ts";
import { quickCheck } from "../../memory/schemas/quick-check.ts";
import { type ApiOperation, OPERATIONS } from "../../worker/request/operations.ts";
import type { RequestShape } from "../../worker/request/shapes.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const SHAPES = Object.entries<ApiOperation>(OPERATIONS).map(([name, { request }]) => [name, request] as const);

/** Values near the limits of a request, and arbitrary ones. */
const member = fc.oneof(
  fc.string({ unit: "binary", maxLength: 5 }),
  fc.constantFrom(
    "",
    "\u0000",
    "a\u007f",
    "\u{1F600}",
    "0",
    "1e3",
    "-1",
    "a".repeat(512),
    "a".repeat(513),
    "é".repeat(400),
  ),
  fc.constantFrom(0, 1, -1, 1.5, 1e300, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1, null, true, [], {}),
  fc.jsonValue({ maxDepth: 2 }),
);

function schemaOf(shape: RequestShape<unknown>): JsonSchema {
  return shape.schema as JsonSchema;
}

function requestFor({ schema }: RequestShape<unknown>): fc.Arbitrary<unknown> {
  const names = Object.keys((schema as { properties: object }).properties);
  return fc.dictionary(fc.constantFrom(...names, "other", "__proto__"), member, { maxKeys: 5 });
}

it("finds the request shapes", () => {
  expect(SHAPES.length).toBeGreaterThan(10);
});

describe.each(SHAPES)("for %s", (_, shape) => {
  it("accepts only requests that the validator accepts", { tags: ["long"] }, () => {
    const isPlainlyValid = quickCheck(schemaOf(shape));
    const check = compileSchema(schemaOf(shape));
    fc.assert(
      fc.property(fc.oneof(requestFor(shape), fc.jsonValue()), (request) => {
        const errors = check(request);
        if (isPlainlyValid(request)) expect(errors).toEqual([]);
        expect(shape.check(request)).toEqual(errors);
      }),
      { numRuns: runs(2_000) },
    );
  });
});

it.each([
  ["set", OPERATIONS.set.request, { key: "agent:goal", value: { x: 1 } }],
  ["set with conditions", OPERATIONS.set.request, { key: "agent:goal", value: null, expect: 4, ttl: 60 }],
  ["set that keeps its ttl", OPERATIONS.set.request, { key: "agent:goal", value: null, ttl: "keep" }],
  ["delete", OPERATIONS.delete.request, { key: "\u{1F600}", expect: 0 }],
  ["get", OPERATIONS.get.request, { key: "a" }],
  ["read of many", OPERATIONS.read.request, { keys: ["a", "b"] }],
] as const)("accepts an ordinary %s", (_, shape, request) => {
  expect(quickCheck(schemaOf(shape))(request)).toBe(true);
});

it("leaves schemas that it does not know to the validator", () => {
  const value = fc.jsonValue({ maxDepth: 1 });
  const schemas: JsonSchema[] = [
    { type: "string", format: "date" },
    { type: "number", multipleOf: 2 },
    { type: "object", properties: {} },
    { type: ["string", "null"] },
    { enum: [1] },
    { const: 1 },
    { anyOf: [{ type: "string" }], minLength: 1 },
    { type: "array", uniqueItems: true },
  ];
  for (const schema of schemas) fc.assert(fc.property(value, (sample) => !quickCheck(schema)(sample)));
  expect(quickCheck(true)(1)).toBe(true);
  expect(quickCheck(false)(1)).toBe(false);
});

it("counts characters as the validator does, not UTF-16 units", () => {
  const schema: JsonSchema = { type: "string", minLength: 2, maxLength: 3 };
  const check = compileSchema(schema);
  const text = fc.string({ unit: fc.constantFrom("a", "\u{1F600}"), maxLength: 5 });
  fc.assert(
    fc.property(text, (sample) => {
      if (quickCheck(schema)(sample)) expect(check(sample)).toEqual([]);
    }),
  );
  expect(quickCheck(schema)("aaa")).toBe(true);
});
