// The shape of every request. The same schemas check what comes in and are printed in /openapi.json.

import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import { LIMITS } from "../config/limits.ts";
import { EVENT_FILTERS } from "../sdk/protocol.ts";
import { compileSchema, type ValueCheck } from "./schemas/compile-schema.ts";
import type { JsonSchema } from "./schemas/json-schema.ts";

/** A request's JSON Schema, its check, and, never there at run time, the type of what passed it. */
export type RequestShape<T> = { readonly schema: JSONSchema; readonly check: ValueCheck; readonly passed?: T };

function defineRequest<const S extends Exclude<JSONSchema, boolean>>(schema: S): RequestShape<FromSchema<S>> {
  return { schema, check: compileSchema(schema as JsonSchema) };
}

const key = {
  description: `The key: 1 to ${LIMITS.maxKeyBytes} bytes of UTF-8 without control characters.`,
  type: "string",
  minLength: 1,
  maxLength: LIMITS.maxKeyBytes,
  pattern: "^\\P{Cc}*$",
  examples: ["agent:goal"],
} as const;

export const setRequest = defineRequest({
  title: "Set",
  type: "object",
  properties: {
    key,
    value: { description: "Any JSON. It is stored and returned exactly as written.", examples: [{ x: 1, y: 2 }] },
  },
  required: ["key", "value"],
  additionalProperties: false,
});

export const schemaRequest = defineRequest({
  title: "SetSchema",
  type: "object",
  properties: {
    key,
    schema: {
      description: "A JSON Schema: draft 4, 6, 7, 2019-09 or 2020-12 as its $schema says, 2020-12 without one.",
      type: ["object", "boolean"],
      examples: [{ type: "object", required: ["x"], properties: { x: { type: "number" } } }],
    },
  },
  required: ["key", "schema"],
  additionalProperties: false,
});

export const keyQuery = defineRequest({
  type: "object",
  properties: { key },
  required: ["key"],
  additionalProperties: false,
});

export const subscribeQuery = defineRequest({
  type: "object",
  properties: {
    key,
    event: { description: "Which changes to receive.", type: "string", enum: EVENT_FILTERS, default: "value" },
  },
  required: ["key"],
  additionalProperties: false,
});
