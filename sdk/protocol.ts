// The wire contract: what memX and its clients send each other, and nothing else. docs/protocol.md describes it in prose, and
// samples.json has samples of it that the server and every client, in any language, test themselves against.

/** JSON text exactly as its writer sent it: never parsed and printed again, so every digit survives. */
export type JsonText = string;

/** One applied change. `json` is the value's or schema's text, `null` when the change left nothing behind. */
export type Change = {
  /** Position in the namespace's order of changes; each next one more. They begin at a time, in milliseconds. */
  readonly revision: number;
  /** Revision of the change before it to the same key; 0 for the first. */
  readonly previous: number;
  readonly key: string;
  readonly event: EventKind;
  readonly action: "set" | "delete" | "expire";
  /** Seconds since the epoch, with microseconds. */
  readonly ts: number;
  readonly json: JsonText | null;
};

/** What a change is about, and what a subscriber can ask for. */
export type EventKind = "value" | "schema";

/** What `?event=` takes. */
export const EVENT_FILTERS = ["value", "schema", "all"] as const;
export type EventFilter = (typeof EVENT_FILTERS)[number];

/** A change as the text that subscribers receive. The value is spliced in, so it arrives as it was written. */
export function encodeEvent({ event, action, key, json, ts, revision, previous }: Change): string {
  const subject = json === null ? "" : `,"${event}":${json}`;
  return `{"event":"${event}","action":"${action}","key":${JSON.stringify(key)}${subject},"ts":${ts},"revision":${revision},"previous":${previous}}`;
}

/** Sent to memX clients once everything up to `revision` was: they may ask for what came after it, if they come back. */
export function encodeReady(revision: number): string {
  return `{"event":"ready","revision":${revision}}`;
}

/** Sent to memX clients before a snapshot, when memX no longer has the changes that they missed. */
export function encodeReset(revision: number): string {
  return `{"event":"reset","revision":${revision}}`;
}

/** The WebSocket subprotocol of memX clients. */
export const SUBPROTOCOL = "memx.v1";

/** Begins the subprotocol that carries an API key where no header can: base64url of its UTF-8 follows. */
export const API_KEY_SUBPROTOCOL = "memx.key.";

/** A client sends the text `ping` this often: networks drop an idle connection after 1 to 2 minutes, without a close frame. */
export const PING_INTERVAL_SECONDS = 25;

/** After this close, connect again: memX was too busy, or the client read too slowly (RFC 6455's registry). */
export const TRY_AGAIN_LATER = 1013;

/** What a refused subscription is closed with, by error code. These are final; after any other close, connect again. */
export const CLOSE_CODES = {
  missing_api_key: 4401,
  invalid_api_key: 4403,
  forbidden: 4403,
  invalid_request: 4422,
  rate_limited: 4429,
} as const satisfies Partial<Record<ErrorCode, number>>;

/** Each error code with its HTTP status and title. Clients branch on the code. */
export const ERROR_STATUS = {
  schema_violation: [400, "The value does not match the key's schema"],
  invalid_schema: [400, "The schema can not be used"],
  missing_api_key: [401, "An API key is needed"],
  invalid_api_key: [403, "The API key is not valid"],
  forbidden: [403, "The API key does not allow this"],
  not_found: [404, "Not found"],
  method_not_allowed: [405, "The path does not take this method"],
  conflict: [409, "The key has changed"],
  too_large: [413, "Too large"],
  unsupported_media_type: [415, "The body has to be JSON"],
  invalid_request: [422, "The request is not valid"],
  upgrade_required: [426, "This path speaks WebSocket"],
  rate_limited: [429, "Too many requests"],
  internal: [500, "Something went wrong"],
  store_unavailable: [503, "The store can not be reached"],
  auth_unavailable: [503, "API keys can not be checked"],
  quota_exceeded: [507, "The namespace is full"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** One thing wrong with a value or a request: where (JSON Pointer, RFC 6901) and what. */
export type FieldError = { readonly path: string; readonly message: string };

/** The body of every failed call: RFC 9457 problem details and memX's `code`. */
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly errors?: readonly FieldError[];
  /** Of a `conflict` with `expect`: what the key holds, `null` for nothing. Not told to whoever may not read it. */
  readonly current?: Current | null;
};

/** A stored value or schema as its JSON text, and the version it has. */
export type CurrentText = { readonly text: JsonText; readonly ts: number; readonly revision: number };

/** What a key currently holds, as responses carry it. The text is spliced in, so it arrives as it was written. */
export function encodeCurrent(kind: EventKind, { text, ts, revision }: CurrentText): JsonText {
  return `{"${kind}":${text},"ts":${ts},"revision":${revision}}`;
}

/** What a key holds: its value, or where the write was about the schema, that. */
export type Current = {
  readonly value?: unknown;
  readonly schema?: unknown;
  readonly ts: number;
  readonly revision: number;
};
