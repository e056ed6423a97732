// The parts that the OpenAPI document is put together from: parameters, responses and errors.

import { LIMITS } from "../../config/limits.ts";
import { ERROR_STATUS, type ErrorCode, MIN_REVISION_HEADER, REVISION_HEADER } from "../../sdk/protocol.ts";
import type { ApiOperation } from "../request/operations.ts";
import { freshnessText } from "../request/shapes.ts";

export type Json = { readonly [name: string]: unknown };

export const revision = {
  type: "integer",
  minimum: 1,
  description: "The change's position in the order of all changes of your namespace.",
};
export const ts = { type: "number", description: "Seconds since the epoch." };
export const ok = { const: true };
export const currentRevision = {
  ...revision,
  minimum: 0,
  description: "The key's current revision, 0 if the key holds nothing.",
};
export const updated = {
  type: "boolean",
  description:
    "False if the key already has a later `ts` than the request: then `revision` and `ts` are the key's own.",
};
export const deleted = { type: "boolean" };
const created = {
  ...ts,
  description:
    "`ts` of the first set since the key held nothing. Absent for a value that an earlier version of memX wrote.",
};
const expires = { ...ts, description: "When the value expires, in seconds since the epoch. Absent if it has no ttl." };
export const by = {
  type: "string",
  description: "The name that the writer gave itself in `x-memx-agent`. Absent if it gave none.",
};
/** What an entry has besides its value, where there is something to say. */
export const details = { created, expires, by };
/** The current value of a key. */
export const entry = {
  type: "object",
  properties: { value: { description: "The JSON exactly as written." }, ts, revision, ...details },
  required: ["value", "ts", "revision"],
};
const agentName = {
  name: "x-memx-agent",
  in: "header",
  required: false,
  description: `The name that the writer gives itself: 1 to ${LIMITS.maxAgentChars} visible ASCII characters, with spaces only between them. memX keeps it with the change, and shows it as \`by\`. It proves nothing.`,
  schema: { type: "string", minLength: 1, maxLength: LIMITS.maxAgentChars },
};
const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: `Makes it safe to repeat this write if its response was lost: within ${LIMITS.idempotencySeconds} seconds, the same request with the same key returns the first outcome and changes nothing.`,
  schema: { type: "string", minLength: 1, maxLength: LIMITS.maxIdempotencyKeyChars },
};
const ifNoneMatch = {
  name: "If-None-Match",
  in: "header",
  required: false,
  description:
    "The `ETag` of an earlier response, which is the revision in quotes: returns 304 if it is still current.",
  schema: { type: "string" },
};
const minRevision = {
  name: MIN_REVISION_HEADER,
  in: "header",
  required: false,
  description: "The same as `min_revision`. The higher one counts.",
  schema: { type: "string", pattern: freshnessText.min_revision.pattern },
};
const lastEventId = {
  name: "Last-Event-ID",
  in: "header",
  required: false,
  description: "The same as `since`, which it overrides: server-sent events clients send it when they reconnect.",
  schema: { type: "string", pattern: "^\\d{1,16}$" },
};

export const always = ["invalid_api_key", "missing_api_key", "rate_limited", "auth_unavailable", "internal"] as const;
export const onStore = [...always, "invalid_request", "forbidden", "store_unavailable"] as const;
export const onBody = [...onStore, "unsupported_media_type", "too_large", "too_complex"] as const;
export const onWrite = [...onBody, "schema_violation", "conflict", "quota_exceeded", "store_full"] as const;
/** Before MCP begins. What a tool or a resource fails with is in a JSON-RPC response. */
export const onMcp = [...always, "forbidden", "unsupported_media_type", "too_large"] as const;

export const change = {
  type: "object",
  description:
    "One change, as subscribers receive it. It has `value` or `schema` unless the change removed it. Only a set of a value has `created`, and plain WebSocket clients do not get it.",
  required: ["event", "action", "key", "ts", "revision", "previous"],
  properties: {
    event: { enum: ["value", "schema"] },
    action: { enum: ["set", "delete", "expire"] },
    key: { type: "string" },
    value: {},
    schema: { type: ["object", "boolean"] },
    ts,
    ...details,
    revision,
    previous: { type: "integer", description: "Revision of the same key's previous change, 0 for its first." },
  },
};

/** An object that has all of these properties. */
export function object(properties: Json): Json {
  return { type: "object", properties, required: Object.keys(properties) };
}

/** Of a response about a namespace. */
export const revisionHeader = {
  [REVISION_HEADER]: {
    description:
      "A revision that your namespace has reached. A read with this `min_revision` shows all that this response does.",
    schema: { type: "integer", minimum: 0 },
  },
};

export function json(description: string, schema: Json): Json {
  return { description, content: { "application/json": { schema } } };
}

/** What a request of this operation carries. */
export function requestParts(operation: ApiOperation): Json {
  const { request, in: place, path, writes, streams, conditional, fresh, documents } = operation;
  const headers = [
    ...(writes ? [idempotencyKey, agentName] : []),
    ...(streams ? [lastEventId] : []),
    ...(conditional ? [ifNoneMatch] : []),
    ...(fresh ? [minRevision] : []),
  ];
  const schema = request.schema as Fields;
  if (place === "query") return { parameters: [...queryParameters(schema, path), ...headers] };
  const { fields = {}, query } = documents ?? {};
  const content = Object.entries(fields).map(([type, field]) => [type, { schema: schema.properties?.[field] }]);
  // A body of application/json has these fields itself, so no parameter is required for all bodies.
  const parameters = query ? queryParameters(query.schema as Fields, path) : [];
  const described = parameters.map(({ description, ...parameter }) => ({
    ...parameter,
    required: false,
    description: `With a body of ${Object.keys(fields).join(" or ")}. ${description}`,
  }));
  return {
    parameters: [...described, ...headers],
    requestBody: { required: true, content: { "application/json": { schema }, ...Object.fromEntries(content) } },
  };
}

type Fields = { readonly properties?: Readonly<Record<string, Json>>; readonly required?: readonly string[] };

function queryParameters({ properties = {}, required = [] }: Fields, path: string) {
  return Object.entries(properties).map(([name, { description, examples, ...schema }]) => ({
    name,
    in: path.includes(`{${name}}`) ? "path" : "query",
    required: required.includes(name),
    description,
    schema,
    ...(Array.isArray(examples) && { example: examples[0] }),
  }));
}

/** Error codes that share a status share a response. */
export function failures(...codes: ErrorCode[]): Json {
  const byStatus = Object.groupBy(codes, (code) => ERROR_STATUS[code][0]);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, codes = []]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${ERROR_STATUS[code][1]}.`).join(" "),
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    ]),
  );
}
