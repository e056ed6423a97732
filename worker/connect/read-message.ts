// One message of a socket of calls. Reads which answer it wants, and what it asks for, before its body is
// checked, so that a body that is not valid gets the same error as over HTTP.

import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import { outline } from "../../memory/json-text.ts";
import { type JsonText, SOCKET_CALLS } from "../../sdk/protocol.ts";
import type { ApiOperation } from "../request/operations.ts";
import { checked, readBodyText } from "../request/read-request.ts";
import { defineRequest, fields } from "../request/shapes.ts";
import type { CallName } from "./socket-calls.ts";

export type Message = {
  readonly id: number;
  readonly call: CallName;
  readonly body: JsonText;
  /** The body before it is checked. */
  readonly parsed: unknown;
  readonly idempotency?: string | undefined;
  readonly agent?: string | undefined;
};

const SHAPE = defineRequest(
  fields(
    {
      id: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      call: { type: "string", enum: Object.keys(SOCKET_CALLS) as CallName[] },
      body: {},
      idempotency: { type: "string" },
      agent: { type: "string" },
    },
    ["id", "call"],
  ),
);

/** The start of a message that is not JSON, if it is plain what its id is. */
const ID_FIRST = /^\s*\{\s*"id"\s*:\s*(\d{1,15})\s*[,}]/;

/**
 * Returns the message, or the error that its id gets. `undefined` if it has no id that can be read.
 */
export function readMessage(text: string): Message | { readonly id: number; readonly error: unknown } | undefined {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text);
  } catch {
    const id = ID_FIRST.exec(text)?.[1];
    if (id === undefined) return undefined;
    return { id: Number(id), error: new ApiError("invalid_request", "The body is not valid JSON.") };
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
  const { id } = parsed;
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) return undefined;
  const { members, repeats } = outline(text);
  // Which of the two ids, or bodies?
  if (repeats) return undefined;
  try {
    // Its own check comes later, and a copy keeps the order of the members.
    const { body: unchecked, ...rest } = parsed;
    const { call, idempotency, agent } = checked(SHAPE, rest, "message");
    return { id, call, body: members.get("body") ?? "{}", parsed: unchecked, idempotency, agent };
  } catch (error) {
    return { id, error };
  }
}

/** The keys that a call is about, as far as that shows before its body is checked. */
export function keysOf({ parsed }: Message): readonly string[] {
  const { key, keys, operations } = Object(parsed) as Record<string, unknown>;
  if (typeof key === "string") return [key];
  if (Array.isArray(keys)) return keys.slice(0, LIMITS.maxKeys).filter((each) => typeof each === "string");
  if (!Array.isArray(operations)) return [];
  return operations
    .slice(0, LIMITS.maxBulk)
    .map((operation) => Object(operation).key)
    .filter((each) => typeof each === "string");
}

/**
 * Checks the body as HTTP does. What is in the query there may be a text, a number or a boolean here.
 * @throws {ApiError} `invalid_request`, `too_large`
 */
export function readCallBody({ body }: Message, operation: ApiOperation) {
  const { request } = operation;
  if (operation.in === "body") return readBodyText(body, request as never, operation);
  const { body: named } = readBodyText(body, NAMED);
  return { body: checked(request as never, toTexts(named), "query"), members: new Map<string, JsonText>() };
}

const NAMED = defineRequest({ type: "object", properties: {} });

/** The fields of a query, as the URL would have them. */
function toTexts(named: object): Record<string, unknown> {
  const query: Record<string, unknown> = { __proto__: null } as never;
  for (const [name, value] of Object.entries(named)) {
    query[name] = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  }
  return query;
}

/** The first line of the request that HTTP would have, for the fingerprint of a write, and its body. */
export function targetOf({ body, parsed }: Message, { method, path, in: where }: ApiOperation) {
  const target = `${method.toUpperCase()} ${path}`;
  if (where === "body") return { target, body };
  const query = new URLSearchParams(toTexts(Object(parsed)) as Record<string, string>);
  return { target: `${target}?${query}`, body: "" };
}
