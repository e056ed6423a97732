// What a call rejects with: one class per case under one base. Branch on the class, or on `code`, which is stable.

import { CLOSE_CODES, type ErrorCode, type FieldError, type Problem } from "../protocol.ts";
import type { Current } from "./types.ts";

/** memX's own codes, and what can only happen on this side of the wire. */
export type MemxErrorCode = ErrorCode | "network" | "timeout" | "unexpected_answer" | "lease_lost" | "closed";

export type MemxErrorDetails = {
  readonly status?: number | undefined;
  readonly key?: string | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  readonly current?: Current | null | undefined;
  readonly cause?: unknown;
};

/** The base of all that memX and this SDK refuse or fail with. An aborted call rejects with its signal's reason instead. */
export class MemxError extends Error {
  /** What went wrong, for programs: it does not change, the message may. */
  readonly code: MemxErrorCode;
  /** HTTP status; `undefined` where there was no answer. */
  readonly status: number | undefined;
  /** The key that the call was about, if it was about one. */
  readonly key: string | undefined;
  /** Names the request in memX's log. */
  readonly requestId: string | undefined;
  /** After how many milliseconds memX asks to be called again. */
  readonly retryAfterMs: number | undefined;
  /** The single places that are to blame, as JSON Pointers. */
  readonly errors: readonly FieldError[];

  constructor(code: MemxErrorCode, message: string, details: MemxErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.status = details.status;
    this.key = details.key;
    this.requestId = details.requestId;
    this.retryAfterMs = details.retryAfterMs;
    this.errors = details.errors ?? [];
  }
}

/** The value does not match the key's schema; nothing was written. Thrown before sending by a typed key. */
export class SchemaViolationError extends MemxError {}

/** The schema can not be used; `errors` says where and why. */
export class InvalidSchemaError extends MemxError {}

/** The API key is missing, not known, or no longer valid. */
export class UnauthorizedError extends MemxError {}

/** The API key does not allow this. */
export class ForbiddenError extends MemxError {}

/** There is no such thing: a schema that was never set, or a path. */
export class NotFoundError extends MemxError {}

/** `expect` did not hold, so nothing was written. */
export class ConflictError extends MemxError {
  /** What the key holds instead: `null` for nothing, `undefined` if the API key may not read it. */
  readonly current: Current | null | undefined;

  constructor(code: MemxErrorCode, message: string, details: MemxErrorDetails = {}) {
    super(code, message, details);
    this.current = details.current;
  }
}

/** The request is not one that memX takes: a bad key, a value that is too large, an unknown field. */
export class InvalidRequestError extends MemxError {}

/** Too many requests, or subscribers. */
export class RateLimitedError extends MemxError {}

/** There is no room left for what was to be written. */
export class QuotaExceededError extends MemxError {}

/** memX or its store is out of order. A write that ended so may have been applied. */
export class UnavailableError extends MemxError {}

/** No answer came. A write that ended so may have been applied. */
export class NetworkError extends MemxError {}

/** No answer came in time. A write that ended so may have been applied. */
export class TimeoutError extends MemxError {}

/** The lease is no longer ours; the reason of its `signal`. */
export class LeaseLostError extends MemxError {}

type ErrorClass = new (code: MemxErrorCode, message: string, details?: MemxErrorDetails) => MemxError;

const CLASSES: Readonly<Partial<Record<string, ErrorClass>>> = {
  schema_violation: SchemaViolationError,
  invalid_schema: InvalidSchemaError,
  missing_api_key: UnauthorizedError,
  invalid_api_key: UnauthorizedError,
  forbidden: ForbiddenError,
  not_found: NotFoundError,
  conflict: ConflictError,
  rate_limited: RateLimitedError,
  quota_exceeded: QuotaExceededError,
};

/** The failure that an answer tells of, also where a proxy has answered in memX's place. */
export function errorOf(response: Response, text: string, key: string | undefined): MemxError {
  const { status, headers } = response;
  const details = {
    status,
    key,
    requestId: headers.get("x-request-id") ?? undefined,
    retryAfterMs: readRetryAfter(headers.get("retry-after")),
  };
  const problem = readProblem(text);
  // A proxy has only the status to say it with.
  const code = problem?.code ?? (status === 429 ? "rate_limited" : "");
  const Class = CLASSES[code] ?? (status >= 500 ? UnavailableError : InvalidRequestError);
  if (!problem) return new Class("unexpected_answer", `memX answered ${status}, and not as memX does.`, details);
  const { detail, errors, current } = problem as Problem & { current?: Current | null };
  return new Class(problem.code, detail, { ...details, errors, current });
}

/** The refusal that a close code stands for; `undefined` for a close after which to connect again. */
export function refusalOf(closeCode: number, reason: string): MemxError | undefined {
  const found = Object.entries(CLOSE_CODES).find(([, number]) => number === closeCode);
  if (!found) return undefined;
  const code = found[0] as keyof typeof CLOSE_CODES;
  return new (CLASSES[code] ?? InvalidRequestError)(code, reason || `memX closed the subscription: ${code}.`);
}

/** Whether the same request would be refused again. */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof MemxError)) return true;
  const { status, code } = error;
  if (status === undefined) return code !== "network" && code !== "timeout";
  return status < 500 ? status !== 408 && status !== 429 : status === 507;
}

function readProblem(text: string): Problem | undefined {
  try {
    const problem = JSON.parse(text) as Partial<Problem> | null;
    return typeof problem?.code === "string" ? (problem as Problem) : undefined;
  } catch {
    return undefined; // A page of a proxy.
  }
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function readRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
