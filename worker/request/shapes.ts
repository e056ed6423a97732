// The shape of every request. The same schemas check what comes in and are printed in /openapi.json.

import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import { LIMITS } from "../../config/limits.ts";
import { compileSchema, type ValueCheck } from "../../memory/schemas/compile-schema.ts";
import type { JsonSchema } from "../../memory/schemas/json-schema.ts";
import { quickCheck } from "../../memory/schemas/quick-check.ts";
import { EVENT_FILTERS } from "../../sdk/protocol.ts";

/** A request's JSON Schema, its check, and, never there at run time, the type of what passed it. */
export type RequestShape<T> = {
  readonly schema: JSONSchema;
  readonly check: ValueCheck;
  readonly passed?: T;
};

function defineRequest<const S extends Exclude<JSONSchema, boolean>>(schema: S): RequestShape<FromSchema<S>> {
  const isPlainlyValid = quickCheck(schema as JsonSchema);
  const check = compileSchema(schema as JsonSchema);
  // The validator is slow, so it sees only the requests that the quick check cannot accept.
  return { schema, check: (request) => (isPlainlyValid(request) ? [] : check(request)) };
}

const key = {
  description: `The key: 1 to ${LIMITS.maxKeyBytes} bytes of UTF-8 without control characters.`,
  type: "string",
  minLength: 1,
  maxLength: LIMITS.maxKeyBytes,
  pattern: "^\\P{Cc}*$",
  examples: ["agent:goal"],
} as const;

const value = {
  description: "Any JSON. It is stored and returned exactly as written.",
  examples: [{ x: 1, y: 2 }],
} as const;

const expect = {
  description:
    "Write only if this is the revision of what the key holds, 0 if it has to hold nothing. Otherwise 409 `conflict` says what it holds.",
  type: "integer",
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
} as const;

const ts = {
  description: `The writer's own time, in seconds since the epoch. It wins only over earlier ones, and may be at most ${LIMITS.maxTsAheadSeconds} seconds ahead of the store's clock.`,
  type: "number",
  exclusiveMinimum: 0,
} as const;

const ttl = {
  description: "Seconds after which the key holds nothing again.",
  type: "number",
  minimum: 1,
  maximum: LIMITS.maxTtlSeconds,
} as const;

export const setRequest = defineRequest({
  title: "Set",
  type: "object",
  properties: { key, value, ts, expect, ttl },
  required: ["key", "value"],
  additionalProperties: false,
});

export const deleteRequest = defineRequest({
  title: "Delete",
  type: "object",
  properties: { key, expect },
  required: ["key"],
  additionalProperties: false,
});

const path = {
  description: "A JSON Pointer (RFC 6901) to what is changed in the value. Without it, the value itself.",
  type: "string",
  examples: ["/findings"],
} as const;

export const patchRequest = defineRequest({
  title: "Patch",
  description: "One of `merge`, `patch`, `increment` and `append`.",
  type: "object",
  properties: {
    key,
    merge: { description: "A merge patch (RFC 7396).", examples: [{ status: "done" }] },
    patch: {
      description: "A JSON Patch (RFC 6902).",
      type: "array",
      items: { type: "object" },
      examples: [[{ op: "add", path: "/tags/-", value: "new" }]],
    },
    increment: {
      description: "Adds to a number, which begins at 0.",
      type: "object",
      properties: { path, by: { type: "number" } },
      required: ["by"],
      additionalProperties: false,
      examples: [{ path: "/count", by: 1 }],
    },
    append: {
      description: "Adds items to the end of an array, which begins empty, and keeps the newest `limit`.",
      type: "object",
      properties: { path, items: { type: "array" }, limit: { type: "integer", minimum: 1 } },
      required: ["items"],
      additionalProperties: false,
      examples: [{ items: ["a finding"], limit: 100 }],
    },
    expect,
    ttl: { ...ttl, description: `${ttl.description} Without it, what is left of the present time stays.` },
  },
  required: ["key"],
  additionalProperties: false,
});

/** What each operation of a batch takes besides its key, and which of that it needs. */
export const BATCH_FIELDS = {
  set: { takes: ["value", "ts", "expect", "ttl"], needs: "value" },
  delete: { takes: ["expect"], needs: undefined },
  check: { takes: ["expect"], needs: "expect" },
} as const;

export const batchRequest = defineRequest({
  title: "Batch",
  type: "object",
  properties: {
    operations: {
      description: `1 to ${LIMITS.maxOperations} operations, done one after the other, or none. A \`set\` takes ${BATCH_FIELDS.set.takes.join(", ")}; a \`delete\` expect; a \`check\` needs expect, and does nothing but compare.`,
      type: "array",
      minItems: 1,
      maxItems: LIMITS.maxOperations,
      items: {
        type: "object",
        properties: { op: { type: "string", enum: ["set", "delete", "check"] }, key, value, ts, expect, ttl },
        required: ["op", "key"],
        additionalProperties: false,
      },
      examples: [
        [
          { op: "check", key: "task:1:lease", expect: 1795433327397 },
          { op: "set", key: "task:1:result", value: { ok: true } },
        ],
      ],
    },
  },
  required: ["operations"],
  additionalProperties: false,
});

export const keysQuery = defineRequest({
  type: "object",
  properties: {
    prefix: {
      description: "What the keys begin with. Without it, all.",
      type: "string",
      maxLength: LIMITS.maxKeyBytes,
    },
    cursor: {
      description: "The `cursor` of the page before, for the same prefix.",
      type: "string",
      maxLength: 2 * LIMITS.maxKeyBytes,
    },
    limit: {
      description: `How many keys at most: 1 to ${LIMITS.maxKeys}.`,
      type: "string",
      pattern: "^([1-9]\\d{0,2}|1000)$",
      default: "100",
    },
    values: {
      description: "Whether to list what the keys hold, too.",
      type: "string",
      enum: ["true", "false"],
      default: "false",
    },
  },
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
    expect: {
      ...expect,
      description: "Write only if this is the revision of the key's schema, 0 if it has to have none.",
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

export const schemaDeletionQuery = defineRequest({
  type: "object",
  properties: {
    key,
    expect: {
      description: "Delete only if this is the revision of the key's schema.",
      type: "string",
      pattern: "^(0|[1-9]\\d{0,15})$",
    },
  },
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
