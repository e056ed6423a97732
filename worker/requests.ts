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

const event = {
  description: "Which changes to receive.",
  type: "string",
  enum: EVENT_FILTERS,
  default: "value",
} as const;

const since = {
  description:
    "A revision: what came after it is sent first. 0 for a snapshot of what is held. Without it, only what happens from now on.",
  type: "string",
  pattern: "^(0|[1-9]\\d{0,15})$",
  examples: ["0"],
} as const;

const pattern = {
  description: "Globs over keys: `*` any characters, `?` one, `[abc]`, `[!abc]`. The parameter may be repeated.",
  type: "array",
  items: { type: "string", minLength: 1, maxLength: LIMITS.maxPatternChars },
  minItems: 1,
  maxItems: LIMITS.maxPatterns,
  examples: [["agent:*"]],
} as const;

export const subscribeQuery = defineRequest({
  type: "object",
  properties: { key, event, since },
  required: ["key"],
  additionalProperties: false,
});

export const watchQuery = defineRequest({
  type: "object",
  properties: { pattern, event, since },
  required: ["pattern"],
  additionalProperties: false,
});

export const changesQuery = defineRequest({
  type: "object",
  properties: {
    pattern,
    event,
    since,
    wait: {
      description: `Seconds to wait for a change if there is none: 0 to ${LIMITS.maxWaitSeconds}.`,
      type: "string",
      pattern: "^(1?\\d|2[0-5])$",
      default: String(LIMITS.maxWaitSeconds),
    },
  },
  required: ["pattern", "since"],
  additionalProperties: false,
});

export const historyQuery = defineRequest({
  type: "object",
  properties: {
    key,
    limit: {
      description: `How many changes: 1 to ${LIMITS.maxHistory}.`,
      type: "string",
      pattern: "^([1-9]\\d{0,2}|1000)$",
      default: "100",
    },
    before: {
      description: "Only changes with a lower revision: the `cursor` of the page before.",
      type: "string",
      pattern: "^[1-9]\\d{0,15}$",
    },
  },
  required: ["key"],
  additionalProperties: false,
});
