// The shape of every keyword that memX knows, and where its subschemas are. One table covers the draft-07 metaschema
// and the keywords of later drafts. Unknown keywords are annotations and may have any value.

import { pointerStep } from "../pointer-escape.ts";
import { type Draft, isObject, isSchema, type JsonSchema, type SchemaObject } from "./json-schema.ts";

const TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"];

type Shape = readonly [needs: string, fits: (value: unknown) => boolean];

const isText = (value: unknown) => typeof value === "string";
const isFlag = (value: unknown) => typeof value === "boolean";
const isNumber = (value: unknown) => typeof value === "number";
const isNames = (value: unknown) => Array.isArray(value) && value.every(isText) && new Set(value).size === value.length;
const isSchemas = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isSchema);
const isMapOf = (fits: (value: unknown) => boolean) => (value: unknown) =>
  isObject(value) && Object.values(value).every(fits);

const text: Shape = ["a string", isText];
const flag: Shape = ["true or false", isFlag];
const number: Shape = ["a number", isNumber];
const count: Shape = ["a non-negative integer", (value) => Number.isInteger(value) && (value as number) >= 0];
const list: Shape = ["an array", Array.isArray];
const names: Shape = ["an array of unique strings", isNames];
const schema: Shape = ["a schema (an object or a boolean)", isSchema];
const schemas: Shape = ["a non-empty array of schemas", isSchemas];
const schemaMap: Shape = ["an object whose values are schemas", isMapOf(isSchema)];

const SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ["$id", text],
  ["$schema", text],
  ["$ref", text],
  ["$anchor", ["a name such as part-1", (value) => isText(value) && /^[A-Za-z_][-A-Za-z0-9._]*$/.test(String(value))]],
  ["$comment", text],
  ["$defs", schemaMap],
  ["definitions", schemaMap],
  ["title", text],
  ["description", text],
  ["readOnly", flag],
  ["writeOnly", flag],
  ["deprecated", flag],
  ["examples", list],
  ["contentMediaType", text],
  ["contentEncoding", text],
  ["contentSchema", schema],
  ["format", text],
  [
    "type",
    [
      `one of ${TYPES.join(", ")}, or an array of unique ones`,
      (value) =>
        Array.isArray(value)
          ? value.length > 0 && isNames(value) && value.every((name) => TYPES.includes(name))
          : TYPES.includes(value as string),
    ],
  ],
  ["enum", list],
  ["multipleOf", ["a number greater than 0", (value) => isNumber(value) && (value as number) > 0]],
  ["minimum", number],
  ["maximum", number],
  ["exclusiveMinimum", number],
  ["exclusiveMaximum", number],
  ["minLength", count],
  ["maxLength", count],
  ["pattern", text],
  ["minItems", count],
  ["maxItems", count],
  ["uniqueItems", flag],
  ["minContains", count],
  ["maxContains", count],
  ["minProperties", count],
  ["maxProperties", count],
  ["required", names],
  ["dependentRequired", ["an object whose values are arrays of unique strings", isMapOf(isNames)]],
  [
    "dependencies",
    [
      "an object whose values are schemas or arrays of unique strings",
      isMapOf((value) => isSchema(value) || isNames(value)),
    ],
  ],
  ["properties", schemaMap],
  ["patternProperties", schemaMap],
  ["additionalProperties", schema],
  ["unevaluatedProperties", schema],
  ["propertyNames", schema],
  ["dependentSchemas", schemaMap],
  ["items", ["a schema or a non-empty array of schemas", (value) => isSchema(value) || isSchemas(value)]],
  ["prefixItems", schemas],
  ["additionalItems", schema],
  ["unevaluatedItems", schema],
  ["contains", schema],
  ["allOf", schemas],
  ["anyOf", schemas],
  ["oneOf", schemas],
  ["not", schema],
  ["if", schema],
  ["then", schema],
  ["else", schema],
]);

const DRAFT_4: ReadonlyMap<string, Shape> = new Map([
  ["id", text],
  ["exclusiveMinimum", flag],
  ["exclusiveMaximum", flag],
]);

/** What the keyword's value must be, if the value is something else. */
export function misshapen(keyword: string, value: unknown, draft: Draft): string | undefined {
  const shape = (draft === "4" ? DRAFT_4.get(keyword) : undefined) ?? SHAPES.get(keyword);
  return shape && !shape[1](value) ? shape[0] : undefined;
}

/** Keywords whose subschemas apply to the same value as the schema itself. */
const IN_PLACE: ReadonlySet<string> = new Set(
  "allOf anyOf oneOf not if then else dependentSchemas dependencies".split(" "),
);
const MAPS: ReadonlySet<string> = new Set(
  "$defs definitions properties patternProperties dependentSchemas dependencies".split(" "),
);

export type Subschema = { readonly schema: JsonSchema; readonly pointer: string; readonly inPlace: boolean };

/** The subschemas of one schema, one level down. Misshapen ones are skipped. */
export function subschemas(parent: SchemaObject): readonly Subschema[] {
  const found: Subschema[] = [];
  for (const [keyword, value] of Object.entries(parent)) {
    const [, fits] = SHAPES.get(keyword) ?? [];
    if (!fits || keyword === "enum" || keyword === "examples") continue;
    const inPlace = IN_PLACE.has(keyword);
    const add = (child: unknown, pointer: string) => {
      if (isSchema(child)) found.push({ schema: child, pointer, inPlace });
    };
    const step = pointerStep(keyword);
    if (MAPS.has(keyword)) {
      if (isObject(value)) for (const [name, child] of Object.entries(value)) add(child, step + pointerStep(name));
    } else if (Array.isArray(value)) {
      for (const [index, child] of value.entries()) add(child, step + pointerStep(index));
    } else if (isObject(value) || typeof value === "boolean") {
      add(value, step);
    }
  }
  return found;
}
