// The errors of the SDK: one class per case under one base. Branch on the class or on `code`, which are stable.

import type { ErrorCode, FieldError } from "../protocol.ts";
import type { Current, StoredSchema } from "./types.ts";

/** The codes of memX, and those of failures that only the client sees. */
export type MemxErrorCode =
  | ErrorCode
  | "network"
  | "timeout"
  | "unexpected_answer"
  | "lease_lost"
  | "closed"
  | "schema_changed"
  | "mirror_full";

export type MemxErrorDetails = {
  readonly status?: number | undefined;
  readonly key?: string | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  readonly current?: Current | null | undefined;
  readonly cause?: unknown;
};

/** The base class of all errors of memX and this SDK. An aborted call rejects with its signal's reason instead. */
export class MemxError extends Error {
  /** What went wrong, for programs. Codes are stable, messages are not. */
  readonly code: MemxErrorCode;
  /** HTTP status; `undefined` if there was no response. */
  readonly status: number | undefined;
  /** The key that the call was about; `undefined` if it was not about one key. */
  readonly key: string | undefined;
  /** Identifies the request in memX's log. A call over a socket has none. */
  readonly requestId: string | undefined;
  /** Milliseconds that memX asks the client to wait before the next attempt. */
  readonly retryAfterMs: number | undefined;
  /** The faults of the value or request, each with its place as a JSON Pointer. */
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

/** The value does not match the key's schema, so nothing was written. A typed key throws it before sending. */
export class SchemaViolationError extends MemxError {}

/** The schema cannot be used. `errors` says where and why. */
export class InvalidSchemaError extends MemxError {}

/** The API key is missing, unknown or revoked. */
export class UnauthorizedError extends MemxError {}

/** The API key does not allow this. */
export class ForbiddenError extends MemxError {}

/** The key has no schema, or memX has no such path. */
export class NotFoundError extends MemxError {}

/** The key's current revision does not match `expect`, or a patch does not fit the current value. Nothing was written. */
export class ConflictError extends MemxError {
  /**
   * The current value or schema, `null` if the key has none. It is `undefined` if the API key must not read it, or if a
   * patch does not fit.
   */
  readonly current: Current | null | undefined;

  constructor(code: MemxErrorCode, message: string, details: MemxErrorDetails = {}) {
    super(code, message, details);
    this.current = details.current;
  }
}

/**
 * The key has another schema than that of the typed key, and this client did not set it. Nothing was written. The option
 * `onSchemaChange` of `MemX.key` says what to do instead.
 */
export class SchemaChangedError extends MemxError {
  /** The key's schema in memX. */
  readonly current: StoredSchema;

  constructor(message: string, current: StoredSchema) {
    super("schema_changed", message, { key: current.key });
    this.current = current;
  }
}

/** memX does not accept the request: a bad key, a value that is too large, an unknown field. */
export class InvalidRequestError extends MemxError {}

/** Too many requests or subscribers. */
export class RateLimitedError extends MemxError {}

/** The namespace or the store has no room for the write. */
export class QuotaExceededError extends MemxError {}

/** memX or its store is unavailable. The write may have been applied. */
export class UnavailableError extends MemxError {}

/** No response arrived. The write may have been applied. */
export class NetworkError extends MemxError {}

/** No response arrived in time. The write may have been applied. */
export class TimeoutError extends MemxError {}

/** The lease is lost or abandoned: the reason of the lease's `signal`. Or memX confirmed the claim too late. */
export class LeaseLostError extends MemxError {}
