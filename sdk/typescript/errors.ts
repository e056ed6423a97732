// What a call rejects with: one class per case under one base. Branch on the class, or on `code`, which is stable.

import type { ErrorCode, FieldError } from "../protocol.ts";
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
