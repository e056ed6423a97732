import { type Schema, Validator } from "@cfworker/json-schema";
import { describe, expect, it } from "vitest";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { compileSchema } from "../../memory/schemas/compile-schema.ts";
import { draftOf, type JsonSchema, type SchemaObject } from "../../memory/schemas/json-schema.ts";
import { WorkExceeded } from "../../memory/schemas/work-meter.ts";
import { schemaLike, valueLike } from "../support/arbitrary-schemas.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";
import { ACCEPTED } from "../support/schema-samples.ts";

describe("a compiled schema accepts valid values and refuses invalid ones, with", () => {
  it.each(ACCEPTED)("%s", (_why, schema, valid, invalid) => {
    const check = compileSchema(schema);
    for (const value of valid) expect(check(value), JSON.stringify(value)).toEqual([]);
    for (const value of invalid) expect(check(value), JSON.stringify(value)).not.toEqual([]);
  });
});

describe("an error has the path and the rule", () => {
  it.each<[what: string, schema: JsonSchema, value: unknown, path: string, message: string]>([
    ["the root value", { type: "string" }, 1, "", "Must be a string."],
    ["an item", { properties: { x: { items: { minimum: 3 } } } }, { x: [1] }, "/x/0", "Must be at least 3."],
    ["a name with / and ~", { properties: { "a/~b": { const: 1 } } }, { "a/~b": 2 }, "/a~1~0b", "Must be 1."],
    ["a name with % and #", { additionalProperties: { maximum: 1 } }, { "%2F#é": 2 }, "/%2F#é", "Must be at most 1."],
    ["an additional property", { additionalProperties: false }, { a: 1 }, "/a", "No value is allowed here."],
    ["a missing property", { required: ["a"] }, {}, "", 'Required property "a" is missing.'],
    ["repeated items", { items: { uniqueItems: true } }, [[1, 1]], "/0", "Must not have equal items."],
    [
      "a string",
      { pattern: "^a$", maxLength: 2 },
      "bbb",
      "",
      "Must have at most 2 characters and match the pattern ^a$.",
    ],
    ["an exclusive limit", { exclusiveMaximum: 3 }, 3, "", "Must be less than 3."],
    ["an enum", { enum: ["a", { b: 1 }] }, 1, "", 'Must be one of "a", {"b":1}.'],
    ["a not", { not: { type: "number" } }, 1, "", 'Must not match the "not" schema.'],
    [
      "a property that matches a pattern",
      { patternProperties: { "^x": { multipleOf: 2 } } },
      { x: 3 },
      "/x",
      "Must be a multiple of 2.",
    ],
    ["a reference", { $ref: "#/$defs/a", $defs: { a: { items: { minimum: 2 } } } }, [1], "/0", "Must be at least 2."],
  ])("for %s", (_what, schema, value, path, message) => {
    expect(compileSchema(schema)(value)).toEqual([{ path, message }]);
  });

  it("for every violation, not only the first", () => {
    const check = compileSchema({ properties: { a: { type: "string" }, b: { type: "string" } }, required: ["c"] });
    expect(
      check({ a: 1, b: 2 })
        .map((error) => error.path)
        .sort(),
    ).toEqual(["", "/a", "/b"]);
  });

  it("for at most 100 violations", () => {
    expect(compileSchema({ items: { type: "string" } })(new Array(5_000).fill(0))).toHaveLength(100);
  });

  it("and never the value", () => {
    const secret = 987654321;
    const schemas: JsonSchema[] = [
      { minimum: 1e9 },
      { maximum: 1 },
      { multipleOf: 2 },
      { const: 1 },
      { enum: [1] },
      { type: "string" },
      { exclusiveMinimum: 1e9 },
      { exclusiveMaximum: 1 },
      { not: {} },
      { oneOf: [{}, {}] },
      { anyOf: [false] },
      { $schema: "http://json-schema.org/draft-04/schema#", minimum: 1e9 },
    ];
    for (const schema of schemas) {
      const message = JSON.stringify(compileSchema(schema)(secret));
      expect(message).not.toBe("[]");
      expect(message).not.toContain(String(secret));
    }
  });
});

it("applies each schema's own string rules when two schemas take turns", () => {
  const short = compileSchema({ maxLength: 1 });
  const long = compileSchema({ minLength: 3 });
  expect([short("a"), long("a").length, short("abc").length, long("abc")]).toEqual([[], 1, 1, []]);
});

it("changes neither the schema nor the value, and accepts frozen ones", () => {
  const schema = { properties: { a: { format: "email", pattern: "^a" } }, uniqueItems: true };
  const before = structuredClone(schema);
  const value = Object.freeze({ a: "abc", list: Object.freeze([1, 1]) });
  compileSchema(Object.freeze(schema))(value);
  expect(schema).toEqual(before);
  expect(Object.isFrozen(value)).toBe(true);
});

// Without the bounds, each of these throws, or takes from many seconds to forever.
describe("a hostile value", () => {
  const numbers = (length: number) => Array.from({ length }, (_, n) => n);
  const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
  const branches = numbers(1_500);
  const record = Object.fromEntries(numbers(20_000).map((n) => [`k${n}`, n]));
  const refused: [what: string, schema: JsonSchema, value: unknown][] = [
    ["two branches at each of 60 levels", { anyOf: [{ items: { $ref: "#" } }, { items: { $ref: "#" } }] }, nested(60)],
    [
      "two rules for the name at each of 60 levels",
      { properties: { a: { $ref: "#" } }, patternProperties: { a: { $ref: "#" } }, additionalProperties: false },
      numbers(60).reduce<object>((a) => ({ a }), {}),
    ],
    ["every branch on a long string", { allOf: branches.map(() => ({ minLength: 1 })) }, "a".repeat(250_000)],
    ["every branch on every item", { items: { allOf: branches.map(() => ({})) } }, numbers(40_000)],
    ["every branch on a large object", { allOf: branches.map(() => ({})) }, record],
    ["true for every item in every branch", { allOf: branches.map(() => ({ items: true })) }, numbers(100_000)],
    ["a long list for every item", { items: { enum: numbers(12_000) } }, new Array(100_000).fill(11_999)],
    [
      "many objects against a list of objects",
      { items: { enum: numbers(6_000).map((n) => ({ n })) } },
      numbers(20_000).map((n) => ({ n })),
    ],
    ["many repeats to compare with", { items: { uniqueItems: true } }, numbers(15_000).map((n) => [n, n])],
    ["a large pattern on a long string", { pattern: "(.?){1500}x" }, "a".repeat(100_000)],
    [
      "a long const that the validator would print for every item",
      { items: { const: "x".repeat(60_000) } },
      numbers(100_000),
    ],
    ["as many errors as items", { anyOf: [{ contains: { type: "string" } }, { type: "string" }] }, numbers(43_000)],
    ["a name that is not Unicode", { additionalProperties: { type: "string" } }, { "\ud800": 1 }],
    ["a name as long as the value", { patternProperties: { "(a+)+$": true } }, { ["a".repeat(250_000)]: 1 }],
    [
      "required names by the thousand",
      { items: { required: numbers(8_000).map(String) } },
      numbers(80_000).map(() => ({})),
    ],
  ];
  it.each(refused)("is refused: %s", (_what, schema, value) => {
    expect(checkSchema(schema)).toEqual([]);
    expect(refusal(schema, value)).not.toBeUndefined();
  });

  const accepted: [what: string, schema: JsonSchema, value: unknown][] = [
    ["60,000 different items", { uniqueItems: true, items: { type: "integer" } }, numbers(45_000)],
    ["many lists of different items", { items: { uniqueItems: true } }, numbers(10_000).map((n) => [n, n + 1])],
    ["131,000 items of a type", { items: { type: "integer" } }, new Array(131_000).fill(1)],
    ["20,000 properties", { additionalProperties: { type: "integer", minimum: 0 } }, record],
    [
      "12,000 properties by pattern",
      { patternProperties: { "^k\\d+$": { type: "integer" } }, additionalProperties: false },
      Object.fromEntries(numbers(12_000).map((n) => [`k${n}`, n])),
    ],
    [
      "a repeated choice of objects",
      { items: { oneOf: [{ properties: { k: { const: 1 } } }, { properties: { k: { const: 2 } } }] } },
      numbers(8_000).map((n) => ({ k: 1 + (n % 2), n })),
    ],
    ["a long string by a pattern", { pattern: "^[\\s\\S]*$" }, "a".repeat(250_000)],
    ["a multiple of next to nothing", { items: { multipleOf: 1e-300 } }, new Array(30_000).fill(1e308)],
    ["60 levels of a tree", { items: { $ref: "#" }, type: "array" }, nested(60)],
  ];
  it.each(accepted)("yes to %s", (_what, schema, value) => {
    expect(checkSchema(schema)).toEqual([]);
    expect(compileSchema(schema)(value)).toEqual([]);
  });
});

/** How a value is refused: by an error, or because its check takes too long. */
function refusal(schema: JsonSchema, value: unknown): string | undefined {
  try {
    return compileSchema(schema)(value)[0]?.message;
  } catch (error) {
    if (error instanceof WorkExceeded) return error.message;
    throw error;
  }
}

it("agrees with the validator on every schema that checkSchema accepts", { tags: ["long"] }, () => {
  let compared = 0;
  fc.assert(
    fc.property(schemaLike, fc.array(valueLike, { minLength: 1, maxLength: 5 }), (schema, values) => {
      if (checkSchema(schema).length > 0) return;
      const check = compileSchema(schema as JsonSchema);
      for (const value of values) {
        const errors = check(value);
        for (const { path, message } of errors) expect(`${path} ${message}`).toMatch(/^(|\/[\s\S]*) \S/u);
        const alone = validAlone(schema as JsonSchema, value);
        if (alone === undefined) continue;
        compared++;
        expect(errors.length === 0, JSON.stringify(errors)).toBe(alone);
      }
    }),
    { numRuns: runs(4_000) },
  );
  expect(compared).toBeGreaterThan(1_000);
});

/** The validator's own verdict, or `undefined` if it throws. */
function validAlone(schema: JsonSchema, value: unknown): boolean | undefined {
  const copy = structuredClone(schema);
  removeFormats(copy);
  try {
    const draft = draftOf((schema as SchemaObject).$schema);
    return new Validator(copy as Schema, draft, false).validate(value).valid;
  } catch {
    return undefined; // It does not find references below `dependencies`.
  }
}

function removeFormats(part: unknown): void {
  if (typeof part !== "object" || part === null) return;
  if (typeof (part as { format?: unknown }).format === "string") delete (part as { format?: unknown }).format;
  for (const child of Object.values(part)) removeFormats(child);
}
