// Every operation of the API: where it is, what it takes and what it does, in words. Routes check requests by this list,
// /openapi.json prints it.

import { LIMITS } from "../../config/limits.ts";
import {
  defineRequest,
  event,
  expect,
  expectedSchema,
  expectText,
  fields,
  freshness,
  freshnessText,
  key,
  limit,
  type ObjectSchema,
  pattern,
  pointer,
  type RequestShape,
  since,
  ts,
  ttl,
  ttlText,
  value,
} from "./shapes.ts";

/** Everything about an operation but its request. */
type Declaration = {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly tag: "Values" | "Schemas" | "Live" | "Service";
  readonly summary: string;
  readonly description?: string;
  /** Where the request's fields are. */
  readonly in: "body" | "query";
  /** Arrays and objects of the body around a value, which do not count toward the value's own depth. @default 1 */
  readonly levelsAboveValue?: number;
  /** Takes an `Idempotency-Key` and an `x-memx-agent`. */
  readonly writes?: true;
  /** Takes a `Last-Event-ID`, and responds with a stream. */
  readonly streams?: true;
  /** Takes an `If-None-Match`. */
  readonly conditional?: true;
  /** Takes a `memx-min-revision`. */
  readonly fresh?: true;
  /** Other media types of the body, which then is one field of the request itself. The other fields are in the query. */
  readonly documents?: {
    readonly fields: Readonly<Record<string, string>>;
    readonly query: RequestShape<unknown>;
  };
};

export type ApiOperation = Declaration & { readonly request: RequestShape<unknown> };

function defineOperation<const S extends ObjectSchema>({
  request,
  ...declaration
}: Declaration & { readonly request: S }) {
  return { ...declaration, request: defineRequest(request) };
}

/** What each operation of a batch takes besides its key, and which of these it needs. */
export const BATCH_FIELDS = {
  set: { takes: ["value", "ts", "expect", "ttl"], needs: "value" },
  delete: { takes: ["expect"], needs: undefined },
  check: { takes: ["expect"], needs: "expect" },
} as const;

const live =
  "A WebSocket, or server-sent events if the request accepts text/event-stream. Each change is one JSON text.";

/** Media types of a body that is a patch itself, and the field of `/patch` that takes the same. */
export const PATCH_DOCUMENTS = {
  "application/merge-patch+json": "merge",
  "application/json-patch+json": "patch",
} as const;

/** What `/patch` takes beside such a body. */
export const patchQuery = defineRequest(
  fields(
    { key, expect: expectText, ttl: { ...ttlText, description: `${ttlText.description} By default, \`keep\`.` } },
    ["key"],
  ),
);

export const OPERATIONS = {
  set: defineOperation({
    method: "post",
    path: "/set",
    tag: "Values",
    summary: "Write a value",
    description: "The last write wins. The value must match the key's schema, if the key has one.",
    writes: true,
    in: "body",
    request: fields({ key, value, ts, expect, ttl }, ["key", "value"]),
  }),
  get: defineOperation({
    method: "get",
    path: "/get",
    tag: "Values",
    summary: "Read a value",
    conditional: true,
    in: "query",
    fresh: true,
    request: fields({ key, ...freshnessText }, ["key"]),
  }),
  read: defineOperation({
    method: "post",
    path: "/read",
    tag: "Values",
    summary: "Read several values at one moment",
    description: `Changes nothing. The API key must be allowed to read every one of the keys. The values must not be larger than ${LIMITS.maxReadBytes} bytes together; a key that is given twice counts twice.`,
    in: "body",
    fresh: true,
    request: fields(
      {
        ...freshness,
        keys: {
          description: `1 to ${LIMITS.maxKeys} keys.`,
          type: "array",
          minItems: 1,
          maxItems: LIMITS.maxKeys,
          items: key,
          examples: [["agent:goal", "agent:plan"]],
        },
      },
      ["keys"],
    ),
  }),
  delete: defineOperation({
    method: "post",
    path: "/delete",
    tag: "Values",
    summary: "Delete a value",
    description: "The key's schema stays.",
    writes: true,
    in: "body",
    request: fields({ key, expect }, ["key"]),
  }),
  patch: defineOperation({
    method: "post",
    path: "/patch",
    tag: "Values",
    summary: "Change part of a value",
    description:
      "Takes exactly one of `merge`, `patch`, `increment` and `append`. The body can also be a patch itself, of type `application/merge-patch+json` or `application/json-patch+json`; then the query has the other fields. Never undoes a concurrent change. Numbers keep their digits. The API key must be allowed to read and to write the key.",
    writes: true,
    levelsAboveValue: 3,
    documents: { fields: PATCH_DOCUMENTS, query: patchQuery },
    in: "body",
    request: fields(
      {
        key,
        merge: { description: "A JSON Merge Patch (RFC 7396).", examples: [{ status: "done" }] },
        patch: {
          description: "A JSON Patch (RFC 6902).",
          type: "array",
          items: { type: "object" },
          examples: [[{ op: "add", path: "/tags/-", value: "new" }]],
        },
        increment: {
          description: "Adds to a number. A missing number counts as 0.",
          ...fields({ path: pointer, by: { type: "number" } }, ["by"]),
          examples: [{ path: "/count", by: 1 }],
        },
        append: {
          description:
            "Appends items to an array, and keeps the newest `limit` of the result. A missing array counts as empty.",
          ...fields({ path: pointer, items: { type: "array" }, limit: { type: "integer", minimum: 1 } }, ["items"]),
          examples: [{ items: ["a finding"], limit: 100 }],
        },
        expect,
        ttl: { ...ttl, description: `${ttl.description} By default, \`keep\`.` },
      },
      ["key"],
    ),
  }),
  batch: defineOperation({
    method: "post",
    path: "/batch",
    tag: "Values",
    summary: "Write several keys, all or none",
    description:
      "Operations apply in order. Each `expect` refers to what the key held before the first operation of the batch.",
    writes: true,
    levelsAboveValue: 3,
    in: "body",
    request: fields(
      {
        operations: {
          description: `1 to ${LIMITS.maxOperations} operations. A \`set\` takes ${BATCH_FIELDS.set.takes.join(", ")}; a \`delete\` takes expect; a \`check\` needs expect, and only compares.`,
          type: "array",
          minItems: 1,
          maxItems: LIMITS.maxOperations,
          items: fields({ op: { type: "string", enum: ["set", "delete", "check"] }, key, value, ts, expect, ttl }, [
            "op",
            "key",
          ]),
          examples: [
            [
              { op: "check", key: "task:1:lease", expect: 1795433327397 },
              { op: "set", key: "task:1:result", value: { ok: true } },
            ],
          ],
        },
      },
      ["operations"],
    ),
  }),
  bulk: defineOperation({
    method: "post",
    path: "/bulk",
    tag: "Values",
    summary: "Write several keys, each for itself",
    description:
      "Each operation has its own outcome, as if it had come alone. Operations on the same key apply in order. The answers must not be larger than 4 MiB together: an operation that would make them larger gets 413 `too_large` and is not applied.",
    writes: true,
    // Room for a patch in an operation.
    levelsAboveValue: 5,
    in: "body",
    request: fields(
      {
        operations: {
          description: `1 to ${LIMITS.maxBulk} operations: \`set\`, \`delete\` or \`patch\`, with the fields of that call.`,
          type: "array",
          minItems: 1,
          maxItems: LIMITS.maxBulk,
          items: {
            type: "object",
            properties: { op: { type: "string", enum: ["set", "delete", "patch"] }, key: { type: "string" } },
            required: ["op", "key"],
          },
          examples: [
            [
              { op: "set", key: "agent:goal", value: { x: 1 } },
              { op: "patch", key: "stats", increment: { path: "/searches", by: 1 } },
              { op: "delete", key: "agent:old", expect: 1795433327397 },
            ],
          ],
        },
      },
      ["operations"],
    ),
  }),
  keys: defineOperation({
    method: "get",
    path: "/keys",
    tag: "Values",
    summary: "List the keys that hold a value",
    description:
      "In byte order, and only the keys that the API key may read. A page can have fewer keys than `limit`, even none; more keys follow as long as `cursor` is not null.",
    in: "query",
    fresh: true,
    request: fields(
      {
        ...freshnessText,
        prefix: {
          description: "List only keys that start with this. By default, all keys.",
          type: "string",
          maxLength: LIMITS.maxKeyBytes,
        },
        cursor: {
          description: "The `cursor` of the previous page, for the same prefix.",
          type: "string",
          maxLength: 2 * LIMITS.maxKeyBytes,
        },
        limit,
        values: {
          description: "Whether to return the values as well.",
          type: "string",
          enum: ["true", "false"],
          default: "false",
        },
      },
      [],
    ),
  }),
  history: defineOperation({
    method: "get",
    path: "/history",
    tag: "Values",
    summary: "Read a key's recent changes",
    description: "Newest first, as far back as the namespace's change log reaches. Large changes come a few at a time.",
    in: "query",
    request: fields(
      {
        key,
        limit,
        before: {
          description: "A revision. Returns only changes with a lower one. Pass the `cursor` of the previous page.",
          type: "string",
          pattern: "^[1-9]\\d{0,15}$",
        },
      },
      ["key"],
    ),
  }),
  setSchema: defineOperation({
    method: "post",
    path: "/schema",
    tag: "Schemas",
    summary: "Set a key's schema",
    description: "It applies to every later write. The current value stays as it is.",
    writes: true,
    in: "body",
    request: fields(
      {
        key,
        schema: {
          description: "A JSON Schema of draft 4, 6, 7, 2019-09 or 2020-12, as its $schema says; 2020-12 by default.",
          type: ["object", "boolean"],
          examples: [{ type: "object", required: ["x"], properties: { x: { type: "number" } } }],
        },
        expect: {
          ...expect,
          description:
            "Write only if the revision of the key's schema equals this. Use 0 to require that the key has no schema.",
        },
      },
      ["key", "schema"],
    ),
  }),
  getSchema: defineOperation({
    method: "get",
    path: "/schema",
    tag: "Schemas",
    summary: "Read a key's schema",
    in: "query",
    request: fields({ key }, ["key"]),
  }),
  deleteSchema: defineOperation({
    method: "delete",
    path: "/schema",
    tag: "Schemas",
    summary: "Delete a key's schema",
    writes: true,
    in: "query",
    request: fields({ key, expect: expectedSchema }, ["key"]),
  }),
  connect: defineOperation({
    method: "get",
    path: "/connect",
    tag: "Service",
    summary: "Make calls over a WebSocket",
    description:
      'A WebSocket with the subprotocol `memx.calls.v1`, for many calls in flight. A frame has one or more messages, one a line: `{"id": 7, "call": "set", "body": {…}}`; the answer is `{"id": 7, "status": 200, "body": {…}}`, with exactly the body that HTTP has. See docs/protocol.md.',
    in: "query",
    request: fields({}, []),
  }),
  whoami: defineOperation({
    method: "get",
    path: "/whoami",
    tag: "Service",
    summary: "Show what the API key may do",
    description: "Also the engine, the version and the limits of this memX. Tells nothing of stored keys.",
    in: "query",
    request: fields({}, []),
  }),
  subscribe: defineOperation({
    method: "get",
    path: "/subscribe/{key}",
    tag: "Live",
    summary: "Receive a key's changes",
    description: live,
    streams: true,
    in: "query",
    request: fields({ key, event, since }, ["key"]),
  }),
  watch: defineOperation({
    method: "get",
    path: "/watch",
    tag: "Live",
    summary: "Receive the changes of all keys that match a glob",
    description: `${live} Covers only the keys that the API key may read.`,
    streams: true,
    in: "query",
    request: fields({ pattern, event, since }, ["pattern"]),
  }),
  changes: defineOperation({
    method: "get",
    path: "/changes",
    tag: "Live",
    summary: "Wait for changes",
    description:
      "A long poll: returns at once what came after `since`, or waits for the next change. Without `since`, it returns only changes from now on. Poll again with the `revision` of the response. If `reset` is true, discard what you have: `changes` is then everything that exists.",
    in: "query",
    request: fields(
      {
        pattern,
        event,
        since,
        wait: {
          description: `A whole number of seconds from 0 to ${LIMITS.maxWaitSeconds}: how long to wait if there is no change yet.`,
          type: "string",
          pattern: "^(1?\\d|2[0-5])$",
          default: String(LIMITS.maxWaitSeconds),
        },
      },
      ["pattern"],
    ),
  }),
};
