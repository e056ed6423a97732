import { Validator } from "@cfworker/json-schema";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { schemaLike } from "../support/arbitrary-schemas.ts";
import { DRAFT_07_METASCHEMA } from "../support/draft-07-metaschema.ts";
import { ACCEPTED, REFUSED } from "../support/schema-samples.ts";

describe("a schema is refused that", () => {
  it.each(REFUSED)("%s", (_why, schema, path) => {
    const errors = checkSchema(schema);
    expect(errors.map((error) => error.path)).toContain(path);
    for (const { message } of errors)
      expect(message).toMatch(/^(Must |The patterns of a schema must not |Property names must )[^\n]+\.$/);
  });
});

describe("a schema is accepted with", () => {
  it.each(ACCEPTED)("%s", (_why, schema) => {
    expect(checkSchema(schema)).toEqual([]);
  });

  it.each([
    "http://json-schema.org/draft-04/schema",
    "https://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft/2019-09/schema#",
    "https://json-schema.org/draft/2020-12/schema",
  ])("the draft %s", ($schema) => {
    expect(checkSchema({ $schema, items: { $schema } })).toEqual([]);
  });
});

it("names every misshapen keyword at once", () => {
  const paths = checkSchema({ type: 1, items: { minimum: "x" }, "a/b": 1, required: [1] }).map((error) => error.path);
  expect(paths.sort()).toEqual(["/items/minimum", "/required", "/type"]);
});

it("names at most a hundred errors", () => {
  const properties = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`p${n}`, { type: 1 }]));
  expect(checkSchema({ properties })).toHaveLength(100);
});

it("leaves the schema as it was, also a frozen one", () => {
  const schema = Object.freeze({ $ref: "#/$defs/a", $defs: Object.freeze({ a: Object.freeze({}) }) });
  expect(checkSchema(schema)).toEqual([]);
  expect(Reflect.ownKeys(schema)).toEqual(["$ref", "$defs"]);
});

it("never accepts what the draft-07 metaschema refuses, and never throws", () => {
  const metaschema = new Validator(structuredClone(DRAFT_07_METASCHEMA) as object, "7");
  fc.assert(
    fc.property(schemaLike, (schema) => {
      const errors = checkSchema(schema);
      if (errors.length === 0) expect(metaschema.validate(schema).valid).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});

it("accepts what the draft-07 metaschema accepts, where only draft-07's own keywords of shape are used", () => {
  const metaschema = new Validator(structuredClone(DRAFT_07_METASCHEMA) as object, "7");
  const anything = fc.oneof(fc.constantFrom(0, 1, -1, 1.5, "a", "object", true, null), fc.jsonValue({ maxDepth: 2 }));
  const keyword = fc.constantFrom(
    ..."type enum const multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength minItems maxItems uniqueItems minProperties maxProperties required properties items additionalItems contains allOf anyOf oneOf not if then else dependencies propertyNames additionalProperties title description default examples readOnly format $comment".split(
      " ",
    ),
  );
  fc.assert(
    fc.property(keyword, anything, (name, value) => {
      const schema = { $schema: "http://json-schema.org/draft-07/schema#", [name]: value };
      expect(checkSchema(schema).length === 0).toBe(metaschema.validate(schema).valid);
    }),
    { numRuns: 3_000 },
  );
});
