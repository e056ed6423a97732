// How a request's shape is declared, and the fields that several requests share. One schema both checks a request and is printed
// in /openapi.json.

import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import { LIMITS } from "../../config/limits.ts";
import { compileSchema, type ValueCheck } from "../../memory/schemas/compile-schema.ts";
import type { JsonSchema } from "../../memory/schemas/json-schema.ts";
import { quickCheck } from "../../memory/schemas/quick-check.ts";
import { EVENT_FILTERS } from "../../sdk/protocol.ts";

/** A request's JSON Schema, its check, and (as a type only, never at run time) what passes the check. */
export type RequestShape<T> = {
  readonly schema: JSONSchema;
  readonly check: ValueCheck;
  readonly passed?: T;
};

export type ObjectSchema = Exclude<JSONSchema, boolean>;

export function defineRequest<const S extends ObjectSchema>(schema: S): RequestShape<FromSchema<S>> {
  const isPlainlyValid = quickCheck(schema as JsonSchema);
  const check = compileSchema(schema as JsonSchema);
  // The validator is slow, so it sees only the requests that the quick check cannot accept.
  return { schema, check: (request) => (isPlainlyValid(request) ? [] : check(request)) };
}

/** The schema of an object that has these properties, requires some of them, and takes no others. */
export function fields<const P extends Readonly<Record<string, JSONSchema>>, const R extends readonly string[]>(
  properties: P,
  required: R,
) {
  return { type: "object", properties, required, additionalProperties: false } as const;
}

// A field with a pattern begins its description with what the text must be: an error repeats that first sentence after "Must be".

const revisionText = "^(0|[1-9]\\d{0,15})$";

export const key = {
  description: `A string of 1 to ${LIMITS.maxKeyBytes} bytes of UTF-8 without control characters.`,
  type: "string",
  minLength: 1,
  maxLength: LIMITS.maxKeyBytes,
  pattern: "^\\P{Cc}*$",
  examples: ["agent:goal"],
} as const;

export const value = {
  description: "Any JSON. memX stores and returns it exactly as written.",
  examples: [{ x: 1, y: 2 }],
} as const;

export const expect = {
  description:
    "Write only if the key's current revision equals this. Use 0 to require that the key does not exist. Otherwise the call fails with 409 `conflict`, and `current` says what the key holds.",
  type: "integer",
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
} as const;

export const ts = {
  description: `The writer's own time, in seconds since the epoch. The write applies only if this is later than the key's current \`ts\`. It must not be more than ${LIMITS.maxTsAheadSeconds} seconds ahead of the store's clock.`,
  type: "number",
  exclusiveMinimum: 0,
} as const;

export const ttl = {
  description: `A number of seconds from 1 to ${LIMITS.maxTtlSeconds}, or \`keep\` for what is left of the current time to live. After that time the key holds nothing.`,
  anyOf: [{ type: "number", minimum: 1, maximum: LIMITS.maxTtlSeconds }, { const: "keep" }],
  examples: [60],
} as const;

export const pointer = {
  description: "A JSON Pointer (RFC 6901) to the part of the value to change. By default, the whole value.",
  type: "string",
  examples: ["/findings"],
} as const;

/** How many items a page has, as a query parameter. */
export const limit = {
  description: `A whole number from 1 to ${LIMITS.maxKeys}: the most items to return.`,
  type: "string",
  pattern: "^([1-9]\\d{0,2}|1000)$",
  default: "100",
} as const;

/** `expect` as a query parameter. */
export const expectText = {
  description: `A revision. ${expect.description}`,
  type: "string",
  pattern: revisionText,
} as const;

/** `ttl` as a query parameter. */
export const ttlText = {
  description: ttl.description,
  type: "string",
  pattern: "^(keep|\\d{1,8}(\\.\\d{1,6})?)$",
  examples: ["60"],
} as const;

export const expectedSchema = {
  description: "A revision. memX deletes only if the revision of the key's schema equals it.",
  type: "string",
  pattern: revisionText,
} as const;

export const event = {
  description: "Which changes to receive.",
  type: "string",
  enum: EVENT_FILTERS,
  default: "value",
} as const;

export const since = {
  description:
    "A revision. memX first replays every change after it; 0 starts with a snapshot of all current values. By default, only changes from now on.",
  type: "string",
  pattern: revisionText,
  examples: ["0"],
} as const;

const minRevisionNote =
  "The response comes from a state of the namespace that is at least at this revision. Otherwise the call fails with 412 `revision_ahead`.";

/** How new the state must be that a read answers from, as query parameters. */
export const freshnessText = {
  min_revision: {
    description: `A revision. ${minRevisionNote}`,
    type: "string",
    pattern: revisionText,
  },
  max_age: {
    description:
      "A number of seconds. The response may come from a state that is so old. By default, it is the newest.",
    type: "string",
    pattern: "^\\d{1,8}(\\.\\d{1,6})?$",
    examples: ["2"],
  },
} as const;

/** The same as members of a body. */
export const freshness = {
  min_revision: {
    description: minRevisionNote,
    type: "integer",
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
  },
  max_age: { description: freshnessText.max_age.description, type: "number", minimum: 0, maximum: 99_999_999 },
} as const;

export const pattern = {
  description:
    "A glob over keys: `*` matches any characters, `?` one, `[abc]` one of these, `[!abc]` any other. The parameter can be repeated.",
  type: "array",
  items: { type: "string", minLength: 1, maxLength: LIMITS.maxPatternChars },
  minItems: 1,
  maxItems: LIMITS.maxPatterns,
  examples: [["agent:*"]],
} as const;
