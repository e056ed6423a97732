import { Validator } from "@cfworker/json-schema";
import { describe, expect, it } from "vitest";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { schemaLike } from "../support/arbitrary-schemas.ts";
import { DRAFT_07_METASCHEMA } from "../support/draft-07-metaschema.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";
import { ACCEPTED, REFUSED } from "../support/schema-samples.ts";

describe("checkSchema refuses a schema that", () => {
  it.each(REFUSED)("%s", (_why, schema, path) => {
    const errors = checkSchema(schema);
    expect(errors.map((error) => error.path)).toContain(path);
    for (const { message } of errors)
      expect(message).toMatch(/^(Must |The patterns of a schema must not |Property names must )[^\n]+\.$/);
  });
});

describe("checkSchema accepts a schema with", () => {
  it.each(ACCEPTED)("%s", (_why, schema) => {
    expect(checkSchema(schema)).toEqual([]);
  });

  it.each([
    "http://json-schema.org/draft-04/schema",
    "https://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft/2019-09/schema#",
    "https://json-schema.org/draft/2020-12/schema",
  ])("the $schema %s", ($schema) => {
    expect(checkSchema({ $schema, items: { $schema } })).toEqual([]);
  });
});

it("reports every misshapen keyword at once", () => {
  const paths = checkSchema({ type: 1, items: { minimum: "x" }, "a/b": 1, required: [1] }).map((error) => error.path);
  expect(paths.sort()).toEqual(["/items/minimum", "/required", "/type"]);
});

it("reports at most 100 errors", () => {
  const properties = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`p${n}`, { type: 1 }]));
  expect(checkSchema({ properties })).toHaveLength(100);
});

it("does not change the schema, and accepts a frozen one", () => {
  const schema = Object.freeze({ $ref: "#/$defs/a", $defs: Object.freeze({ a: Object.freeze({}) }) });
  expect(checkSchema(schema)).toEqual([]);
  expect(Reflect.ownKeys(schema)).toEqual(["$ref", "$defs"]);
});

it("never throws, and never accepts a schema that the draft-07 metaschema refuses", { tags: ["long"] }, () => {
  const metaschema = new Validator(structuredClone(DRAFT_07_METASCHEMA) as object, "7");
  fc.assert(
    fc.property(schemaLike, (schema) => {
      const errors = checkSchema(schema);
      if (errors.length === 0) expect(metaschema.validate(schema).valid).toBe(true);
    }),
    { numRuns: runs(3_000) },
  );
});

it("agrees with the draft-07 metaschema on any schema with one keyword of draft-07", { tags: ["long"] }, () => {
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
    { numRuns: runs(3_000) },
  );
});
