// The wire contract: what memX and its clients send each other. docs/protocol.md describes it in prose. samples.json
// has samples of it, against which the server and the clients in every language are tested.

/** JSON text exactly as its writer sent it: never parsed and printed again, so every digit survives. */
export type JsonText = string;

/** One applied change. `json` is the text of the new value or schema, `null` if the change removed it. */
export type Change = {
  /** Position in the namespace's order of changes. It counts up by one, beginning at a time in milliseconds. */
  readonly revision: number;
  /** Revision of the previous change to the same key; 0 for the first change. */
  readonly previous: number;
  readonly key: string;
  readonly event: EventKind;
  readonly action: "set" | "delete" | "expire";
  /** Seconds since the epoch, with microseconds. */
  readonly ts: number;
  readonly json: JsonText | null;
} & Details;

/** What an entry or a change may say besides. Each part is absent if there is nothing to say. */
export type Details = {
  /** `ts` of the first set since the key had no value. Only a set of a value has it, unless an earlier memX wrote it. */
  readonly created?: number | undefined;
  /** When the value expires, in seconds since the epoch. */
  readonly expires?: number | undefined;
  /** The name that the writer gave itself with the header `x-memx-agent`. */
  readonly by?: string | undefined;
};

/** What a change is about. */
export type EventKind = "value" | "schema";

/** The values of the query parameter `event`. */
export const EVENT_FILTERS = ["value", "schema", "all"] as const;
/** Which changes a subscriber wants. */
export type EventFilter = (typeof EVENT_FILTERS)[number];

/** Encodes a change as the text that subscribers receive. The value's text is spliced in, so every digit survives. */
export function encodeEvent({ event, action, key, json, ts, revision, previous, ...details }: Change): string {
  const subject = json === null ? "" : `,"${event}":${json}`;
  // The revisions stay last: code that forwards an event as text finds them at its end.
  return `{"event":"${event}","action":"${action}","key":${JSON.stringify(key)}${subject},"ts":${ts}${encodeDetails(details)},"revision":${revision},"previous":${previous}}`;
}

/** Details as the members that follow others in an object. */
export function encodeDetails({ created, expires, by }: Details): string {
  let text = "";
  if (created !== undefined) text += `,"created":${created}`;
  if (expires !== undefined) text += `,"expires":${expires}`;
  if (by !== undefined) text += `,"by":${JSON.stringify(by)}`;
  return text;
}

/** Sent to clients of `memx.v1` after every change up to `revision`. A client that reconnects may begin there. */
export function encodeReady(revision: number): string {
  return `{"event":"ready","revision":${revision}}`;
}

/** Sent to clients of `memx.v1` before a snapshot, when memX no longer has the changes that they missed. */
export function encodeReset(revision: number): string {
  return `{"event":"reset","revision":${revision}}`;
}

/** The WebSocket subprotocol of memX clients. */
export const SUBPROTOCOL = "memx.v1";

/** The WebSocket subprotocol of `GET /connect`. */
export const CALLS_SUBPROTOCOL = "memx.calls.v1";

/** The calls that a socket takes, and the HTTP call that each one is. */
export const SOCKET_CALLS = {
  set: "POST /set",
  get: "GET /get",
  read: "POST /read",
  delete: "POST /delete",
  patch: "POST /patch",
  batch: "POST /batch",
  bulk: "POST /bulk",
  keys: "GET /keys",
  history: "GET /history",
  schema_get: "GET /schema",
  schema_set: "POST /schema",
  schema_delete: "DELETE /schema",
} as const;

/**
 * Returns the messages or answers of a frame, at most `limit` of them. They are separated by a line break between `}` and `{`.
 * JSON has none there, because it needs a comma, so values may have line breaks.
 */
export function splitFrame(frame: string, limit?: number): string[] {
  const parts = frame.split("}\n{", limit);
  return parts.map((part, index) => `${index > 0 ? "{" : ""}${part}${index < parts.length - 1 ? "}" : ""}`);
}

/** Sent on a socket of calls that will close soon. The client opens its next one, and sends no more on this one. */
export const RENEW = '{"event":"renew"}';

/** The socket of calls has made as many requests as the platform allows it, after `RENEW` (registered with RFC 6455). */
export const SERVICE_RESTART = 1012;

/** Prefix of the subprotocol that carries an API key if no header can. Its UTF-8 follows in unpadded base64url. */
export const API_KEY_SUBPROTOCOL = "memx.key.";

/** Header of every response about a namespace: the namespace is at least at this revision. */
export const REVISION_HEADER = "memx-revision";

/** Header of a read: the response must come from a state that is at least at this revision. */
export const MIN_REVISION_HEADER = "memx-min-revision";

/** How often a client sends `ping`: networks drop idle connections after 1 to 2 minutes, without a close frame. */
export const PING_INTERVAL_SECONDS = 25;

/** The client must reconnect: memX was too busy, or the client read too slowly (registered with RFC 6455). */
export const TRY_AGAIN_LATER = 1013;

/** Close codes of refused subscriptions, by error code. They are final; after any other close the client reconnects. */
export const CLOSE_CODES = {
  missing_api_key: 4401,
  invalid_api_key: 4403,
  forbidden: 4403,
  invalid_request: 4422,
  rate_limited: 4429,
} as const satisfies Partial<Record<ErrorCode, number>>;

/** HTTP status and title of each error code. Clients branch on the code. */
export const ERROR_STATUS = {
  schema_violation: [400, "The value does not match the schema"],
  invalid_schema: [400, "Invalid schema"],
  missing_api_key: [401, "Missing API key"],
  invalid_api_key: [403, "Invalid API key"],
  forbidden: [403, "The API key does not allow this"],
  not_found: [404, "Not found"],
  method_not_allowed: [405, "Method not allowed"],
  conflict: [409, "The key has changed"],
  value_gone: [410, "The value is no longer stored"],
  revision_ahead: [412, "The namespace has not reached this revision"],
  too_large: [413, "Too large"],
  unsupported_media_type: [415, "The body must be JSON"],
  invalid_request: [422, "Invalid request"],
  too_complex: [422, "Too much work for one request"],
  upgrade_required: [426, "WebSocket upgrade required"],
  rate_limited: [429, "Too many requests"],
  internal: [500, "Internal error"],
  store_unavailable: [503, "The store is unavailable"],
  auth_unavailable: [503, "API keys cannot be checked"],
  quota_exceeded: [507, "The namespace is full"],
  store_full: [507, "The store is full"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

/** A stable error code. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** One fault of a value or a request: where it is (JSON Pointer, RFC 6901) and what it is. */
export type FieldError = { readonly path: string; readonly message: string };

/** The body of every failed call: RFC 9457 problem details with memX's `code`. */
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly errors?: readonly FieldError[];
  /** In a `conflict` about `expect`: the current entry or schema, or `null`. Absent if the caller must not read it. */
  readonly current?: Current | null;
};

/** A stored value or schema as its JSON text, with its version. */
export type CurrentText = { readonly text: JsonText; readonly ts: number; readonly revision: number } & Details;

/** Encodes a current value or schema as responses carry it. Its text is spliced in, so every digit survives. */
export function encodeCurrent(kind: EventKind, { text, ts, revision, ...details }: CurrentText): JsonText {
  return `{"${kind}":${text},"ts":${ts},"revision":${revision}${encodeDetails(details)}}`;
}

/** A key's current value, or its current schema if the write was about the schema. */
export type Current = {
  readonly value?: unknown;
  readonly schema?: unknown;
  readonly ts: number;
  readonly revision: number;
} & Details;
