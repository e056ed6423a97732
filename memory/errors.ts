// What a caller sees when a call fails: RFC 9457 problem details with a stable `code`. Ordinary outcomes are data, not errors.

import {
  ERROR_STATUS,
  type ErrorCode,
  type FieldError,
  type JsonText,
  type Problem,
  REVISION_HEADER,
} from "../sdk/protocol.ts";

/**
 * A failure that the caller should see. `detail` never contains a secret, a stored value or a store's own message.
 * `current` is what the key holds, as JSON text, for a caller that may read it.
 */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly current: JsonText | undefined;
  /** The namespace is at least at this revision, if the error says something about what it holds. */
  readonly revision: number | undefined;

  constructor(
    code: ErrorCode,
    detail: string,
    {
      errors,
      retryAfterSeconds,
      current,
      revision,
      cause,
    }: {
      errors?: readonly FieldError[];
      retryAfterSeconds?: number;
      current?: JsonText;
      revision?: number;
      cause?: unknown;
    } = {},
  ) {
    super(detail, { cause });
    this.name = "ApiError";
    this.code = code;
    this.errors = errors;
    this.retryAfterSeconds = retryAfterSeconds;
    this.current = current;
    this.revision = revision;
  }

  /** The body of the response, and of a refusal on any other way. */
  toText(): JsonText {
    const [status, title] = ERROR_STATUS[this.code];
    const problem: Omit<Problem, "current"> = {
      type: `urn:memx:error:${this.code}`,
      title,
      status,
      detail: this.message,
      code: this.code,
      ...(this.errors && { errors: this.errors }),
    };
    const text = JSON.stringify(problem);
    // Spliced in as text, so that it arrives as it was written.
    return this.current === undefined ? text : `${text.slice(0, -1)},"current":${this.current}}`;
  }

  /** The HTTP response to send. */
  toResponse(headers: Readonly<Record<string, string>> = {}): Response {
    const [status] = ERROR_STATUS[this.code];
    return new Response(this.toText(), {
      status,
      headers: {
        ...(this.retryAfterSeconds !== undefined && { "retry-after": String(this.retryAfterSeconds) }),
        ...(this.revision !== undefined && { [REVISION_HEADER]: String(this.revision) }),
        // RFC 9110 requires a challenge. Of the two ways to send an API key, this one has a registered name.
        ...(status === 401 && { "www-authenticate": "Bearer" }),
        ...headers,
        "content-type": "application/problem+json",
      },
    });
  }
}

/** What every engine throws if the store does not answer. The operator finds `cause` in the log; the caller never sees it. */
export function storeUnavailable(cause: unknown, detail = "The store did not answer. Try again."): ApiError {
  return new ApiError("store_unavailable", detail, { cause, retryAfterSeconds: 1 });
}

/** What every engine throws, before it changes anything, if a newer memX has written what this one cannot read. */
export function storeNewer(cause: unknown): ApiError {
  const detail =
    "A newer memX has written this store, and this one cannot read it. Run that version again, or a later one.";
  // Only the operator can help.
  return new ApiError("store_unavailable", detail, { cause, retryAfterSeconds: 60 });
}

/** What every engine throws if the store answers, and takes no writes. Another store may take its place. */
export function storeReadOnly(cause: unknown): ApiError {
  return storeUnavailable(cause, "The store does not take writes at the moment. Try again.");
}

/** What every engine throws if the store has no room for a write. Trying again does not help, so there is no `Retry-After`. */
export function storeFull(cause: unknown): ApiError {
  const detail = "The store has no room for this write. Delete keys, or write smaller values. Reads work.";
  return new ApiError("store_full", detail, { cause });
}
