// What a caller is told when a call fails: RFC 9457 problem details with a stable `code`. Not for ordinary outcomes, which are data.

import { ERROR_STATUS, type ErrorCode, type FieldError, type Problem } from "../sdk/protocol.ts";

/** A failure that the caller should see. `detail` never carries a secret, a stored value or a store's own message. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    detail: string,
    {
      errors,
      headers = {},
      cause,
    }: { errors?: readonly FieldError[]; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(detail, { cause });
    this.name = "ApiError";
    this.code = code;
    this.errors = errors;
    this.headers = headers;
  }

  /** The answer to send. */
  toResponse(headers: Readonly<Record<string, string>> = {}): Response {
    const [status, title] = ERROR_STATUS[this.code];
    const problem: Problem = {
      type: `urn:memx:error:${this.code}`,
      title,
      status,
      detail: this.message,
      code: this.code,
      ...(this.errors && { errors: this.errors }),
    };
    return Response.json(problem, {
      status,
      headers: { ...this.headers, ...headers, "content-type": "application/problem+json" },
    });
  }
}
