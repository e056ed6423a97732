// Reads errors from responses and close codes, and says whether another attempt makes sense.

import { CLOSE_CODES, type Problem } from "../protocol.ts";
import {
  ConflictError,
  ForbiddenError,
  InvalidRequestError,
  InvalidSchemaError,
  MemxError,
  type MemxErrorCode,
  type MemxErrorDetails,
  NotFoundError,
  QuotaExceededError,
  RateLimitedError,
  SchemaViolationError,
  UnauthorizedError,
  UnavailableError,
} from "./errors.ts";
import { readRevision } from "./reads.ts";
import type { Reply } from "./transport.ts";
import type { Current } from "./types.ts";

type ErrorClass = new (code: MemxErrorCode, message: string, details?: MemxErrorDetails) => MemxError;

const CLASSES = new Map<string, ErrorClass>([
  ["schema_violation", SchemaViolationError],
  ["invalid_schema", InvalidSchemaError],
  ["missing_api_key", UnauthorizedError],
  ["invalid_api_key", UnauthorizedError],
  ["forbidden", ForbiddenError],
  ["not_found", NotFoundError],
  ["conflict", ConflictError],
  ["rate_limited", RateLimitedError],
  ["quota_exceeded", QuotaExceededError],
  ["store_full", QuotaExceededError],
]);

type About = {
  readonly key?: string | undefined;
  readonly baseUrl: string;
  /** @default `JSON.parse` */
  readonly parse?: ((text: string) => unknown) | undefined;
};

/** Reads the error of a failed response. */
export function readErrorResponse(response: Response, text: string, about: About): MemxError {
  return readError(readReply(response, text), about);
}

export function readReply({ status, headers }: Response, text: string): Reply {
  const requestId = headers.get("x-request-id") ?? undefined;
  const retryAfterMs = readRetryAfter(headers.get("retry-after"));
  return { status, text, requestId, retryAfterMs, revision: readRevision(headers) };
}

/** Reads the error of a failed attempt. A proxy may have responded instead of memX. */
export function readError({ text, ...reply }: Reply, { key, baseUrl, parse = JSON.parse }: About): MemxError {
  const { status } = reply;
  const details = { ...reply, key };
  const problem = readProblem(text, parse);
  // A response of a proxy has only its status.
  const code = problem?.code ?? (status === 429 ? "rate_limited" : "");
  const Class = CLASSES.get(code) ?? (status >= 500 ? UnavailableError : InvalidRequestError);
  if (!problem) {
    const message = `The response of ${baseUrl} has status ${status} and does not come from memX.`;
    return new Class("unexpected_answer", message, details);
  }
  const { detail, errors, current } = problem as Problem & { current?: Current | null };
  return new Class(problem.code, detail, { ...details, errors, current });
}

/** Reads the refusal that a close code means; `undefined` for a close after which the client reconnects. */
export function readRefusal(closeCode: number, reason: string, details?: MemxErrorDetails): MemxError | undefined {
  const found = Object.entries(CLOSE_CODES).find(([, number]) => number === closeCode);
  if (!found) return undefined;
  const code = found[0] as keyof typeof CLOSE_CODES;
  return new (CLASSES.get(code) ?? InvalidRequestError)(code, reason || `memX closed the socket: ${code}.`, details);
}

/** Whether the same request would fail again. */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof MemxError)) return true;
  const { status, code } = error;
  if (status === undefined) return code !== "network" && code !== "timeout";
  return status < 500 ? status !== 408 && status !== 429 : status === 507;
}

/** Whether a subscription tries again: the failure may pass, or it is not memX that responded, and memX may come back. */
export function mayPass(error: unknown): error is MemxError {
  return error instanceof MemxError && (!isFinal(error) || error.code === "unexpected_answer");
}

function readProblem(text: string, parse: (text: string) => unknown): Problem | undefined {
  try {
    const problem = parse(text) as Partial<Problem> | null;
    return typeof problem?.code === "string" ? (problem as Problem) : undefined;
  } catch {
    return undefined; // A proxy's page.
  }
}

/** RFC 9110 §10.2.3: seconds, or a date. `Date.parse` alone also takes texts such as `1.5` for a date. */
function readRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  return /^[A-Z][a-z]{2}, .* GMT$/.test(header) ? Math.max(0, Date.parse(header) - Date.now()) || 0 : undefined;
}
