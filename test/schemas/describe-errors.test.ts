// Every message of a schema violation is memX's own: one voice, none of the validator's words, and never a value.

import { validate } from "@cfworker/json-schema";
import { describe, expect, it } from "vitest";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { compileSchema } from "../../memory/schemas/compile-schema.ts";
import type { JsonSchema } from "../../memory/schemas/json-schema.ts";
import { schemaLike, valueLike } from "../support/arbitrary-schemas.ts";
import fc from "../support/properties.ts";

const DRAFTS = {
  4: "http://json-schema.org/draft-04/schema#",
  7: "http://json-schema.org/draft-07/schema#",
  2019: "https://json-schema.org/draft/2019-09/schema",
  2020: "https://json-schema.org/draft/2020-12/schema",
} as const;
type Year = keyof typeof DRAFTS;
const ALL: readonly Year[] = [4, 7, 2019, 2020];
const FROM_7: readonly Year[] = [7, 2019, 2020];
const FROM_2019: readonly Year[] = [2019, 2020];

const VOICE =
  /^(Must |The property name must |Required property |A required property |A property that |Property |Property names must |No value is allowed here|The value is too large |Checking the value takes )[^\n]*\.$/su;
/** Words of the validator's own messages. */
const FOREIGN = /instance|subschema|does not|did not|invalid|too few|too many items|less items|duplicate/i;

const SECRET = "s3cret";
const NUMBER = 987654321;

type Sample = readonly [
  keyword: string,
  drafts: readonly Year[],
  schema: { readonly [keyword: string]: unknown },
  value: unknown,
  ...errors: readonly (readonly [path: string, message: string])[],
];

/** A schema for each keyword that the validator can report, as a caller writes it, and a value that violates it. */
const SAMPLES: readonly Sample[] = [
  ["type", ALL, { type: "number" }, SECRET, ["", "Must be a number."]],
  ["type", ALL, { type: "integer" }, 0.987654321, ["", "Must be an integer."]],
  ["type", ALL, { type: ["array", "null"] }, SECRET, ["", "Must be an array or null."]],
  ["type", ALL, { type: ["boolean", "object", "null"] }, SECRET, ["", "Must be a boolean, an object, or null."]],
  ["type", ALL, { type: "string" }, { [SECRET]: SECRET }, ["", "Must be a string."]],
  ["const", FROM_7, { const: { a: 1 } }, { a: SECRET }, ["", 'Must be {"a":1}.']],
  ["enum", ALL, { enum: [1, "b"] }, SECRET, ["", 'Must be one of 1, "b".']],
  ["enum", ALL, { enum: ["x".repeat(500)] }, SECRET, ["", "Must be one of the values that the schema lists."]],
  ["not", ALL, { not: { type: "string" } }, SECRET, ["", 'Must not match the "not" schema.']],
  [
    "anyOf",
    ALL,
    { anyOf: [{ type: "null" }, { type: "array" }] },
    SECRET,
    ["", 'Must match at least one of the "anyOf" schemas.'],
    ["", "Must be null."],
    ["", "Must be an array."],
  ],
  ["allOf", ALL, { allOf: [{ type: "null" }] }, SECRET, ["", "Must be null."]],
  ["oneOf", ALL, { oneOf: [{}, {}] }, SECRET, ["", 'Must match exactly one of the "oneOf" schemas.']],
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  ["if", FROM_7, { if: { type: "string" }, then: { maxLength: 1 } }, SECRET, ["", "Must have at most 1 character."]],
  ["if", FROM_7, { if: { type: "null" }, else: { type: "object" } }, SECRET, ["", "Must be an object."]],
  [
    "$ref",
    ALL,
    { properties: { a: { $ref: "#/definitions/a" } }, definitions: { a: { type: "number" } } },
    { a: SECRET },
    ["/a", "Must be a number."],
  ],
  [
    "required",
    ALL,
    { required: ["a", 'b"', "x".repeat(500)], properties: { a: {} } },
    { c: SECRET },
    ["", 'Required property "a" is missing.'],
    ["", 'Required property "b\\"" is missing.'],
    ["", `Required property "${"x".repeat(200)}…" is missing.`],
  ],
  ["minProperties", ALL, { minProperties: 2 }, { a: SECRET }, ["", "Must have at least 2 properties."]],
  ["maxProperties", ALL, { maxProperties: 1 }, { a: SECRET, b: 1 }, ["", "Must have at most 1 property."]],
  [
    "propertyNames",
    FROM_7,
    { propertyNames: { maxLength: 2, enum: ["ab"] } },
    { abc: SECRET },
    ["/abc", 'The property name must be "ab".'],
    ["/abc", "The property name must have at most 2 characters."],
  ],
  ["propertyNames", FROM_7, { propertyNames: false }, { a: SECRET }, ["/a", "No value is allowed here."]],
  [
    "propertyNames",
    FROM_7,
    { properties: { propertyNames: { type: "number" } } },
    { propertyNames: SECRET },
    ["/propertyNames", "Must be a number."],
  ],
  [
    "dependentRequired",
    FROM_2019,
    { items: { dependentRequired: { a: ["b", "c"], z: ["y"] } } },
    [{ a: SECRET, c: 1 }],
    ["/0", 'Property "b" is required when property "a" is present.'],
  ],
  [
    "dependencies",
    ALL,
    { dependencies: { a: ["b"] } },
    { a: SECRET },
    ["", 'Property "b" is required when property "a" is present.'],
  ],
  [
    "dependentSchemas",
    FROM_2019,
    { dependentSchemas: { a: { required: ["b"] } } },
    { a: SECRET },
    ["", 'Required property "b" is missing.'],
  ],
  ["dependencies", ALL, { dependencies: { a: { type: "array" } } }, { a: SECRET }, ["", "Must be an array."]],
  ["properties", ALL, { properties: { a: { type: "number" } } }, { a: SECRET }, ["/a", "Must be a number."]],
  [
    "patternProperties",
    ALL,
    { patternProperties: { "^a": { type: "number" } } },
    { a: SECRET },
    ["/a", "Must be a number."],
  ],
  [
    "additionalProperties",
    ALL,
    { additionalProperties: { type: "number" } },
    { a: SECRET },
    ["/a", "Must be a number."],
  ],
  [
    "unevaluatedProperties",
    FROM_2019,
    { unevaluatedProperties: { type: "null" } },
    { a: SECRET },
    ["/a", "Must be null."],
  ],
  ["false", ALL, { additionalProperties: false }, { a: SECRET }, ["/a", "No value is allowed here."]],
  ["minItems", ALL, { minItems: 2 }, [SECRET], ["", "Must have at least 2 items."]],
  ["maxItems", ALL, { maxItems: 1 }, [SECRET, 1], ["", "Must have at most 1 item."]],
  ["items", ALL, { items: { type: "number" } }, [1, SECRET], ["/1", "Must be a number."]],
  ["items", [4, 7, 2019], { items: [{ type: "number" }] }, [SECRET], ["/0", "Must be a number."]],
  ["prefixItems", [2020], { prefixItems: [{ type: "number" }] }, [SECRET], ["/0", "Must be a number."]],
  [
    "additionalItems",
    [4, 7, 2019],
    { items: [{}], additionalItems: { type: "number" } },
    [1, SECRET],
    ["/1", "Must be a number."],
  ],
  ["unevaluatedItems", FROM_2019, { unevaluatedItems: { type: "number" } }, [SECRET], ["/0", "Must be a number."]],
  [
    "contains",
    FROM_7,
    { contains: { type: "number" } },
    [SECRET],
    ["", 'Must have at least 1 item matching the "contains" schema.'],
  ],
  [
    "contains",
    FROM_7,
    { contains: { type: "number" } },
    [],
    ["", 'Must have at least 1 item matching the "contains" schema.'],
  ],
  [
    "minContains",
    FROM_2019,
    { contains: { type: "string" }, minContains: 2 },
    [SECRET],
    ["", 'Must have at least 2 items matching the "contains" schema.'],
  ],
  [
    "maxContains",
    FROM_2019,
    { contains: { type: "string" }, maxContains: 1 },
    [SECRET, SECRET],
    ["", 'Must have at most 1 item matching the "contains" schema.'],
  ],
  ["uniqueItems", ALL, { uniqueItems: true }, [SECRET, SECRET], ["", "Must not have equal items."]],
  ["minimum", ALL, { minimum: 1e9 }, NUMBER, ["", "Must be at least 1000000000."]],
  ["maximum", ALL, { maximum: 2 }, NUMBER, ["", "Must be at most 2."]],
  [
    "minimum",
    [4],
    { minimum: NUMBER + 1, exclusiveMinimum: true },
    NUMBER,
    ["", `Must be greater than ${NUMBER + 1}.`],
  ],
  ["maximum", [4], { maximum: 2, exclusiveMaximum: true }, NUMBER, ["", "Must be less than 2."]],
  ["exclusiveMinimum", FROM_7, { exclusiveMinimum: 1e9 }, NUMBER, ["", "Must be greater than 1000000000."]],
  ["exclusiveMaximum", FROM_7, { exclusiveMaximum: 2 }, NUMBER, ["", "Must be less than 2."]],
  ["multipleOf", ALL, { multipleOf: 2 }, NUMBER, ["", "Must be a multiple of 2."]],
  ["minLength", ALL, { minLength: 9 }, SECRET, ["", "Must have at least 9 characters."]],
  ["minLength", ALL, { minLength: 1, maxLength: 2 }, SECRET, ["", "Must have 1 to 2 characters."]],
  ["maxLength", ALL, { minLength: 1, maxLength: 1 }, SECRET, ["", "Must have exactly 1 character."]],
  ["pattern", ALL, { pattern: "^a$" }, SECRET, ["", "Must match the pattern ^a$."]],
  ["pattern", ALL, { pattern: `^${"a".repeat(500)}$` }, SECRET, ["", "Must match the pattern of the schema."]],
  // The validator runs the rules for strings as formats (memory/schemas/text-rules.ts).
  [
    "format",
    ALL,
    { pattern: "^a$", maxLength: 3 },
    SECRET,
    ["", "Must have at most 3 characters and match the pattern ^a$."],
  ],
];

const cases = SAMPLES.flatMap(([keyword, drafts, schema, value, ...errors]) =>
  drafts.map((draft) => ({ keyword, draft, schema: { $schema: DRAFTS[draft], ...schema }, value, errors })),
);

describe("a violation is described in memX's own words:", () => {
  it.each(cases)("$keyword of draft $draft, as in $schema", ({ schema, value, errors }) => {
    expect(checkSchema(schema)).toEqual([]);
    const described = compileSchema(schema)(value);
    expect(new Set(described)).toEqual(new Set(errors.map(([path, message]) => ({ path, message }))));
    for (const { message } of described) {
      expect(message).toMatch(VOICE);
      expect(message).not.toMatch(FOREIGN);
      expect(message).not.toContain(SECRET);
      expect(message).not.toContain(String(NUMBER));
    }
  });
});

/** For a caller that must not read the schema: the messages that differ, by keyword. */
const GENERAL: Readonly<Record<string, string>> = {
  type: "Must be of an allowed type.",
  const: "Must be the allowed value.",
  enum: "Must be one of the allowed values.",
  required: "A required property is missing.",
  dependentRequired: "A property that another property requires is missing.",
  minProperties: "Must have more properties.",
  maxProperties: "Must have fewer properties.",
  minItems: "Must have more items.",
  maxItems: "Must have fewer items.",
  minContains: 'Must have more items matching the "contains" schema.',
  minimum: "Must be larger.",
  maximum: "Must be smaller.",
  exclusiveMinimum: "Must be larger.",
  exclusiveMaximum: "Must be smaller.",
  multipleOf: "Must be a multiple of the allowed step.",
  minLength: "Must have an allowed number of characters.",
  maxLength: "Must have an allowed number of characters.",
  pattern: "Must match the pattern of the schema.",
  format: "Must have an allowed number of characters and match the pattern of the schema.",
};

/** Every message that such a caller can get: each is a constant. */
const FIXED = new Set(
  [
    ...Object.values(GENERAL),
    "No value is allowed here.",
    "Must match the schema.",
    "Must not have equal items.",
    'Must not match the "not" schema.',
    'Must match at least one of the "anyOf" schemas.',
    'Must match exactly one of the "oneOf" schemas.',
    'Must have at least 1 item matching the "contains" schema.',
    'Must have fewer items matching the "contains" schema.',
    "Property names must have at most 1024 characters.",
    "Property names must be well-formed Unicode.",
    "The value is too large or too deeply nested to check against the schema.",
  ].flatMap((message) => [message, message.replace(/^Must /, "The property name must ")]),
);

describe("a caller that must not read the schema gets the same paths, and none of the schema's text:", () => {
  it.each(cases)("$keyword of draft $draft, as in $schema", ({ keyword, schema, value, errors }) => {
    const general = compileSchema(schema)(value, { wording: "general" });
    expect(new Set(general.map(({ path }) => path))).toEqual(new Set(errors.map(([path]) => path)));
    for (const { message } of general) {
      expect(message).toMatch(VOICE);
      expect(FIXED).toContain(message);
    }
    const expected = GENERAL[keyword];
    if (expected && !("enum" in schema && keyword === "enum" && (schema.enum as unknown[]).length === 1)) {
      expect(general.map(({ message }) => message)).toContain(expected);
    }
  });

  it("in no violation of any schema", () => {
    fc.assert(
      fc.property(schemaLike, fc.array(valueLike, { minLength: 1, maxLength: 5 }), (schema, values) => {
        if (checkSchema(schema).length > 0) return;
        const check = compileSchema(schema as JsonSchema);
        for (const value of values) {
          const quoting = check(value);
          const general = check(value, { wording: "general" });
          expect(new Set(general.map(({ path }) => path))).toEqual(new Set(quoting.map(({ path }) => path)));
          for (const { message } of general) {
            expect(FIXED.has(message) || message.startsWith("Checking the value takes"), message).toBe(true);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

it("has a sample for every keyword that the validator can report", () => {
  const reported = [...String(validate).matchAll(/keyword: ["'`]([$\w]+)["'`]/g)].map(([, keyword]) => keyword);
  expect(reported.length).toBeGreaterThan(40);
  // POST /schema refuses $recursiveRef.
  const sampled = new Set(["$recursiveRef", ...SAMPLES.map(([keyword]) => keyword)]);
  expect(new Set(reported)).toEqual(sampled);
});

it("describes any violation of any schema in memX's own words", () => {
  fc.assert(
    fc.property(schemaLike, fc.array(valueLike, { minLength: 1, maxLength: 5 }), (schema, values) => {
      if (checkSchema(schema).length > 0) return;
      const check = compileSchema(schema as JsonSchema);
      for (const value of values) for (const { message } of check(value)) expect(message).toMatch(VOICE);
    }),
    { numRuns: 2_000 },
  );
});
