// What the paths of the OpenAPI document are put together from: parameters, answers and failures.

import { LIMITS } from "../../config/limits.ts";
import { ERROR_STATUS, type ErrorCode, PING_INTERVAL_SECONDS } from "../../sdk/protocol.ts";
import type { RequestShape } from "../request/shapes.ts";

type Json = { readonly [name: string]: unknown };

export const revision = {
  type: "integer",
  minimum: 1,
  description: "The change's place in the order of all changes of your namespace.",
};
export const ts = { type: "number", description: "Seconds since the epoch." };
export const ok = { const: true };
export const held = { ...revision, minimum: 0, description: "The revision of what the key holds, 0 for nothing." };
export const updated = {
  type: "boolean",
  description: "False where the key has a later time than `ts`: then `revision` and `ts` are those it has.",
};
export const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: `Lets this write be sent again when its answer was lost: within ${LIMITS.idempotencySeconds} seconds the same request under the same key is answered as the first time, and changes nothing.`,
  schema: { type: "string", minLength: 1, maxLength: LIMITS.maxIdempotencyKeyChars },
};

const anyTime = ["invalid_api_key", "missing_api_key", "rate_limited", "auth_unavailable", "internal"] as const;
export const onStore = [...anyTime, "invalid_request", "forbidden", "store_unavailable"] as const;
export const onBody = [...onStore, "unsupported_media_type", "too_large"] as const;
export const onWrite = [...onBody, "schema_violation", "conflict", "quota_exceeded"] as const;

export const change = {
  type: "object",
  description: "One change, as subscribers receive it: with `value` or `schema`, where it left one.",
  required: ["event", "action", "key", "ts", "revision", "previous"],
  properties: {
    event: { enum: ["value", "schema"] },
    action: { enum: ["set", "delete", "expire"] },
    key: { type: "string" },
    value: {},
    schema: { type: ["object", "boolean"] },
    ts,
    revision,
    previous: { type: "integer", description: "Revision of the change before it to the same key, 0 for the first." },
  },
};
export const live = `A WebSocket, or server-sent events where text/event-stream is accepted. Each change is one JSON text. On a WebSocket send the text \`ping\` at least every ${PING_INTERVAL_SECONDS} seconds; \`pong\` comes back. With the subprotocol \`memx.v1\`, and with server-sent events, \`ready\` says up to which revision everything was sent, and \`reset\` comes before a snapshot where the log no longer reaches back to \`since\`. A refused WebSocket opens and is closed with 4401 (no API key), 4403 (not allowed), 4422 (not valid) or 4429 (too many).`;
export const lastEventId = {
  name: "Last-Event-ID",
  in: "header",
  required: false,
  description: "The same as `since`, which it overrides: what a client of server-sent events sends when it comes back.",
  schema: { type: "string", pattern: "^\\d{1,16}$" },
};
export const stream = {
  101: { description: "The WebSocket is open." },
  200: { description: "Server-sent events.", content: { "text/event-stream": {} } },
  ...failures(...onStore, "upgrade_required"),
};

export function object(properties: Json): Json {
  return { type: "object", properties, required: Object.keys(properties) };
}

export function json(description: string, schema: Json): Json {
  return { description, content: { "application/json": { schema } } };
}

export function body({ schema }: RequestShape<unknown>): Json {
  return { required: true, content: { "application/json": { schema } } };
}

/** A query's schema as parameters; `inPath` names the one that stands in the path. */
export function query({ schema }: RequestShape<unknown>, inPath?: string): Json[] {
  const { properties = {}, required = [] } = schema as { properties?: Record<string, Json>; required?: string[] };
  return Object.entries(properties).map(([name, { description, examples, ...schema }]) => ({
    name,
    in: name === inPath ? "path" : "query",
    required: required.includes(name),
    description,
    schema,
    ...(Array.isArray(examples) && { example: examples[0] }),
  }));
}

/** Codes that share a status share a response. */
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
