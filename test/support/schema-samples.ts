// Schemas that memX must accept, with valid and invalid values, and schemas that it must refuse.

import type { JsonSchema } from "../../memory/schemas/json-schema.ts";

const DRAFT_4 = "http://json-schema.org/draft-04/schema#";
const DRAFT_7 = "http://json-schema.org/draft-07/schema#";
const DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema";
const DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema";

export type Accepted = readonly [
  why: string,
  schema: JsonSchema,
  valid: readonly unknown[],
  invalid: readonly unknown[],
];

export const ACCEPTED: readonly Accepted[] = [
  ["the value true", true, [1, null, {}], []],
  ["the value false", false, [], [1, null, {}]],
  ["no keywords", {}, [1, "x"], []],
  ["unknown keywords", { "x-note": { type: 5 }, type: "string" }, ["a"], [1]],
  [
    "a recursive tree",
    {
      $ref: "#/$defs/node",
      $defs: {
        node: {
          type: "object",
          properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#/$defs/node" } } },
          required: ["name"],
          additionalProperties: false,
        },
      },
    },
    [{ name: "a" }, { name: "a", children: [{ name: "b", children: [] }] }],
    [{}, { name: "a", children: [{ name: "b", children: [{}] }] }],
  ],
  [
    "draft-04 with exclusive flags and id",
    {
      $schema: DRAFT_4,
      id: "http://example.com/root",
      definitions: { age: { id: "#age", type: "integer", minimum: 0, exclusiveMinimum: true } },
      properties: { age: { $ref: "#age" }, also: { $ref: "#/definitions/age" } },
    },
    [{ age: 1 }, { also: 1 }],
    [{ age: 0 }, { also: 0 }],
  ],
  ["draft-06, read as draft-07", { $schema: "http://json-schema.org/draft-06/schema#", exclusiveMinimum: 1 }, [2], [1]],
  [
    "draft-07 with array items, dependencies and a $ref that hides its siblings",
    {
      $schema: DRAFT_7,
      definitions: { name: { type: "string" } },
      items: [{ $ref: "#/definitions/name", maxLength: 1 }],
      additionalItems: { type: "number" },
      dependencies: { enum: { required: ["b"] }, c: ["d"], const: { $ref: "#/definitions/name" } },
    },
    [["long", 1], { enum: 1, b: 1 }, { c: 1, d: 1 }],
    [[1], ["a", "b"], { enum: 1 }, { c: 1 }, { const: 1 }],
  ],
  [
    "2019-09 with unevaluatedProperties and a $ref with siblings",
    {
      $schema: DRAFT_2019,
      $defs: { base: { properties: { a: true } } },
      $ref: "#/$defs/base",
      properties: { b: true },
      unevaluatedProperties: false,
    },
    [{ a: 1, b: 2 }],
    [{ a: 1, c: 2 }],
  ],
  [
    "2020-12 with prefixItems",
    { $schema: `${DRAFT_2020}#`, prefixItems: [{ type: "string" }], items: { type: "number" } },
    [["a", 1, 2], []],
    [[1], ["a", "b"]],
  ],
  [
    "$id, $anchor and references to both",
    {
      $id: "https://example.com/root.json",
      $defs: {
        a: { $id: "part.json", $defs: { inner: { $anchor: "inner", type: "integer" } }, type: "string" },
        b: { $anchor: "b", type: "boolean" },
      },
      properties: {
        x: { $ref: "part.json" },
        y: { $ref: "part.json#inner" },
        z: { $ref: "#b" },
        w: { $ref: "https://example.com/part.json#/$defs/inner" },
      },
    },
    [{ x: "s", y: 1, z: true, w: 2 }],
    [{ x: 1 }, { y: "s" }, { z: 1 }, { w: "s" }],
  ],
  [
    "an escaped reference into an unknown keyword",
    { $ref: "#/components/a~1b%25", components: { "a/b%": { type: "string" } } },
    ["s"],
    [1],
  ],
  [
    "property names that are special in JavaScript",
    JSON.parse(
      '{"properties":{"__proto__":{"type":"number"},"constructor":{"type":"string"},"toString":{"$ref":"#/$defs/__proto__"}},"$defs":{"__proto__":{"type":"null"}}}',
    ),
    [{}, JSON.parse('{"__proto__":1,"constructor":"s","toString":null}')],
    [JSON.parse('{"__proto__":"s"}'), { constructor: 1 }, { toString: 1 }],
  ],
  ["required names that every object inherits", { required: ["hasOwnProperty"] }, [{ hasOwnProperty: 1 }], [{}]],
  ["formats, which are only annotations", { format: "__proto__", items: { format: "email" } }, ["x", ["x"]], []],
  [
    "patternProperties beside properties and additionalProperties",
    {
      properties: { "x-a": { minimum: 5 } },
      patternProperties: { "^x-": { type: "number" }, a$: { maximum: 9 } },
      additionalProperties: false,
    },
    [{ "x-a": 7, "x-b": 1 }, {}],
    [{ "x-a": 4 }, { "x-a": 10 }, { "x-b": "s" }, { other: 1 }],
  ],
  ["propertyNames", { propertyNames: { pattern: "^[a-z]+$", maxLength: 3 } }, [{ abc: 1 }], [{ A: 1 }, { abcd: 1 }]],
  [
    "uniqueItems, by value, not by identity or key order",
    { uniqueItems: true },
    [[1, "1", true, null], [{ a: 1 }, { a: 2 }], [[1], [2]], [0, false], "aa"],
    [
      [1, 1.0],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      [[[1]], 2, [[1]]],
      [0, -0],
    ],
  ],
  [
    "a negated uniqueItems, which requires equal items",
    { type: "array", not: { uniqueItems: true } },
    [[1, 1]],
    [[1, 2], []],
  ],
  ["const and enum together", { const: 1, enum: [1, 2] }, [1], [2, 3]],
  ["const null and enum of objects", { enum: [null, { a: [1] }] }, [null, { a: [1] }], [{ a: [2] }, 0]],
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  ["if, then, else", { if: { type: "number" }, then: { minimum: 1 }, else: { minLength: 1 } }, [1, "a"], [0, ""]],
  [
    "contains with bounds",
    { contains: { type: "number" }, minContains: 2, maxContains: 3 },
    [[1, 2]],
    [[1], [1, 2, 3, 4]],
  ],
  ["a multipleOf far smaller than the value", { multipleOf: 1e-300 }, [1e308, 0], []],
  ["lengths in characters, not UTF-16 units", { minLength: 2, maxLength: 2 }, ["😀😀"], ["😀", "😀😀😀"]],
];

const chain = (length: number) => ({
  $ref: "#/$defs/s0",
  $defs: Object.fromEntries(
    Array.from({ length }, (_, n) => [`s${n}`, n + 1 < length ? { $ref: `#/$defs/s${n + 1}` } : {}]),
  ),
});
const fan = (levels: number) => ({
  $ref: "#/$defs/s0",
  $defs: Object.fromEntries(
    Array.from({ length: levels + 1 }, (_, n) => [
      `s${n}`,
      n < levels ? { allOf: [{ $ref: `#/$defs/s${n + 1}` }, { $ref: `#/$defs/s${n + 1}` }] } : {},
    ]),
  ),
});

export type Refused = readonly [why: string, schema: unknown, path: string];

export const REFUSED: readonly Refused[] = [
  ["is a number", 5, ""],
  ["is an array", [], ""],
  ["is null", null, ""],
  ["has a type that does not exist", { type: "nope" }, "/type"],
  ["names a type twice", { type: ["string", "string"] }, "/type"],
  ["has properties of the wrong type, which would allow everything", { properties: 5 }, "/properties"],
  ["has a property whose schema is a number", { properties: { a: 5 } }, "/properties"],
  ["has an enum of the wrong type, which would throw", { enum: 5 }, "/enum"],
  ["has a required that is not an array", { required: "a" }, "/required"],
  ["requires a name twice", { required: ["a", "a"] }, "/required"],
  ["has a limit that is not a number", { items: { minimum: "1" } }, "/items/minimum"],
  ["has a negative length", { minLength: -1 }, "/minLength"],
  ["has a length that is not an integer", { maxItems: 1.5 }, "/maxItems"],
  ["has a multipleOf of 0", { multipleOf: 0 }, "/multipleOf"],
  ["has an empty allOf", { allOf: [] }, "/allOf"],
  ["has a pattern that is not a string", { pattern: 5 }, "/pattern"],
  ["has a misshapen prefixItems", { prefixItems: 5 }, "/prefixItems"],
  ["has a misshapen $defs", { $defs: 5 }, "/$defs"],
  ["has a misshapen dependentSchemas", { dependentSchemas: { a: [] } }, "/dependentSchemas"],
  ["has a misshapen dependentRequired", { dependentRequired: { a: "b" } }, "/dependentRequired"],
  ["has a misshapen dependencies", { dependencies: { a: 5 } }, "/dependencies"],
  ["has a misshapen unevaluatedItems", { unevaluatedItems: [] }, "/unevaluatedItems"],
  ["has a misshapen unevaluatedProperties", { unevaluatedProperties: 1 }, "/unevaluatedProperties"],
  ["has a misshapen minContains", { minContains: "1" }, "/minContains"],
  ["has a misshapen $anchor", { $anchor: "#x" }, "/$anchor"],
  ["has a flag for exclusiveMinimum outside draft-04", { exclusiveMinimum: true }, "/exclusiveMinimum"],
  ["has a number for exclusiveMinimum in draft-04", { $schema: DRAFT_4, exclusiveMinimum: 1 }, "/exclusiveMinimum"],
  ["has a number that does not fit in a 64-bit float", JSON.parse('{"maximum":1e400}'), "/maximum"],
  ["is misshapen in a place that only a reference reaches", { $ref: "#/x", x: { enum: 5 } }, "/x/enum"],
  ["names an unknown draft", { $schema: "http://json-schema.org/draft-03/schema#" }, "/$schema"],
  ["names a URI that is not a draft", { $schema: "https://example.com/schema" }, "/$schema"],
  ["has an array for $schema", { $schema: [DRAFT_7] }, "/$schema"],
  ["has an object for $schema", { $schema: { toString: null } }, "/$schema"],
  ["names another draft in a subschema", { items: { $schema: DRAFT_7 } }, "/items/$schema"],
  ["has array items in 2020-12", { items: [{}] }, "/items"],
  ["has additionalItems in 2020-12", { additionalItems: false }, "/additionalItems"],
  ["refers to nothing", { $ref: "#/$defs/a" }, "/$ref"],
  ["refers to a value that is not a schema", { $ref: "#/title", title: "t" }, "/$ref"],
  ["refers to an inherited name", { $ref: "#/constructor" }, "/$ref"],
  ["refers to another document", { $ref: "https://example.com/a.json" }, "/$ref"],
  ["refers with an invalid URI", { $ref: "http://[" }, "/$ref"],
  ["refers with a broken escape", { $ref: "#/%" }, "/$ref"],
  ["refers to a metaschema", { $ref: DRAFT_7 }, "/$ref"],
  ["has a $dynamicRef", { $dynamicRef: "#a" }, "/$dynamicRef"],
  ["has a $dynamicAnchor", { $defs: { a: { $dynamicAnchor: "a" } } }, "/$defs/a/$dynamicAnchor"],
  ["has a $recursiveRef", { $schema: DRAFT_2019, items: { $recursiveRef: "#" } }, "/items/$recursiveRef"],
  ["refers to itself", { $ref: "#" }, ""],
  ["refers to itself through allOf", { allOf: [{ $ref: "#" }] }, ""],
  ["refers to itself through not", { not: { not: { $ref: "#" } } }, ""],
  ["refers to itself through dependencies", { dependencies: { a: { $ref: "#" } } }, ""],
  [
    "refers in a circle",
    { items: { $ref: "#/$defs/a" }, $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } },
    "/$defs/a",
  ],
  ["uses one $id for two subschemas", { $defs: { a: { $id: "x" }, b: { $id: "x" } } }, "/$defs/b/$id"],
  ["uses one $anchor for two subschemas", { $defs: { a: { $anchor: "x" }, b: { $anchor: "x" } } }, "/$defs/b/$anchor"],
  ["has an $id with a fragment", { $id: "https://example.com/a#b" }, "/$id"],
  ["has an $id that is not a URI", { $id: "http://[" }, "/$id"],
  ["has an $id that is not a string", { $id: 5 }, "/$id"],
  ["refers twice to the next schema, 15 levels deep", fan(15), "/$defs/s6"],
  ["has a chain of references beyond the validator's stack", chain(500), "/$defs/s32"],
  ["has thousands of alternatives", { anyOf: Array.from({ length: 3_000 }, () => ({})) }, ""],
  ["has an invalid pattern", { pattern: "(" }, "/pattern"],
  ["has a pattern that is invalid with the u flag", { pattern: "\\-" }, "/pattern"],
  ["has an invalid property pattern", { patternProperties: { "[": {} } }, "/patternProperties/["],
  ["has a pattern with a backreference", { pattern: "(?=(a+))\\1*x" }, "/pattern"],
  ["has a pattern with a named backreference", { pattern: "(?<a>a+)\\k<a>" }, "/pattern"],
  ["has a pattern with nested counted repeats", { pattern: "((a{1,50}){1,50}){1,50}" }, "/pattern"],
  ["has a pattern with a huge repeat", { pattern: "a{1,100000}" }, "/pattern"],
  ["has a pattern with a huge repeat of an empty group", { pattern: "(?:){999999999}" }, "/pattern"],
  ["has a pattern with very deep groups", { pattern: "(".repeat(500) + ")".repeat(500) }, "/pattern"],
  ["has a pattern that changes flags", { pattern: "(?i:a)" }, "/pattern"],
  [
    "has too many large patterns",
    { anyOf: Array.from({ length: 20 }, () => ({ pattern: "^.{1,2000}$" })) },
    "/anyOf/4/pattern",
  ],
  ["uses a reserved name for a path", { __absolute_uri__: "x" }, "/__absolute_uri__"],
  ["uses a reserved name for a reference", { $ref: "#", __absolute_ref__: "x" }, "/__absolute_ref__"],
  [
    "uses a reserved name for a recursive reference",
    { __absolute_recursive_ref__: "x" },
    "/__absolute_recursive_ref__",
  ],
  ["has a property name that is not well-formed Unicode", { properties: { "\ud800": {} } }, "/properties"],
];
