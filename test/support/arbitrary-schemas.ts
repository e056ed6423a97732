// Random schemas and values for the property tests. Most are well-formed, so that they pass the first check.

import fc from "./properties.ts";

const name = fc.constantFrom("a", "b", "x-1", "__proto__", "constructor", "");
const small = fc.constantFrom(0, 1, 2, 3);
const scalar = fc.constantFrom<unknown>(0, 1, 2, 2.5, -0, "a", "ab", "x-1", "", "😀", true, false, null);
const reference = fc.constantFrom("#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#here", "#/nowhere", "other.json");
const pattern = fc.constantFrom("^a", "b$", "^[a-z]{1,2}$", "(a|a)*b", "^(?!a)", "\\p{L}", "x-\\d", "(a)\\1", "(");

export const valueLike: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie("value")), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;

export const schemaLike: fc.Arbitrary<unknown> = fc.letrec((tie) => {
  const schema = tie("schema");
  const schemas = fc.array(schema, { minLength: 1, maxLength: 3 });
  const map = fc.array(fc.tuple(name, schema), { maxLength: 3 }).map((entries) => Object.fromEntries(entries));
  const names = fc.uniqueArray(name, { maxLength: 3 });
  const type = fc.constantFrom("array", "boolean", "integer", "null", "number", "object", "string");
  const keyword = fc.oneof<fc.Arbitrary<[string, unknown]>[]>(
    fc.tuple(fc.constant("type"), fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 }))),
    fc.tuple(fc.constantFrom("enum", "examples"), fc.array(valueLike, { maxLength: 3 })),
    fc.tuple(fc.constantFrom("const", "default"), valueLike),
    fc.tuple(fc.constantFrom("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), small),
    fc.tuple(fc.constant("multipleOf"), fc.constantFrom(1, 0.5, 1e-300, 2)),
    fc.tuple(
      fc.constantFrom("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
      small,
    ),
    fc.tuple(fc.constantFrom("minContains", "maxContains"), small),
    fc.tuple(fc.constant("uniqueItems"), fc.boolean()),
    fc.tuple(fc.constant("pattern"), pattern),
    fc.tuple(fc.constant("required"), names),
    fc.tuple(fc.constantFrom("properties", "$defs", "dependentSchemas", "dependencies"), map),
    fc.tuple(fc.constant("patternProperties"), fc.dictionary(pattern, schema, { maxKeys: 2 })),
    fc.tuple(fc.constantFrom("dependentRequired", "dependencies"), fc.dictionary(name, names, { maxKeys: 2 })),
    fc.tuple(fc.constantFrom("allOf", "anyOf", "oneOf", "prefixItems"), schemas),
    fc.tuple(
      fc.constantFrom(
        "items",
        "contains",
        "not",
        "if",
        "then",
        "else",
        "propertyNames",
        "additionalProperties",
        "unevaluatedProperties",
        "unevaluatedItems",
      ),
      schema,
    ),
    fc.tuple(fc.constant("$ref"), reference),
    fc.tuple(fc.constant("$anchor"), fc.constant("here")),
    fc.tuple(fc.constant("format"), fc.constantFrom("__proto__", "email", "0")),
    fc.tuple(fc.constantFrom("$schema", "x-any", "$id", "enum", "items", "required"), fc.jsonValue({ maxDepth: 2 })),
  );
  return {
    schema: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.boolean(),
      fc.array(keyword, { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
    ),
  };
}).schema;
