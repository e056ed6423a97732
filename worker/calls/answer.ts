// What a call came to, where the response of HTTP is one of several: its status, and exactly the body that HTTP would have.

import { reportError } from "../../memory/report-error.ts";
import { ERROR_STATUS, type ErrorCode, type JsonText } from "../../sdk/protocol.ts";
import type { CallResult } from "./call.ts";

export type Answer = {
  readonly status: number;
  readonly text: JsonText;
  /** `Retry-After`, in seconds. */
  readonly retry?: number | undefined;
  /** `memx-revision`. */
  readonly revision?: number | undefined;
  /** Why the call failed. */
  readonly code?: ErrorCode;
};

/** Runs a call. Never throws. */
export async function answerOf(run: () => Promise<CallResult>): Promise<Answer> {
  try {
    return { status: 200, ...(await run()) };
  } catch (error) {
    return refusalOf(error);
  }
}

export function refusalOf(error: unknown): Answer {
  const problem = reportError(error);
  const { code, retryAfterSeconds: retry, revision } = problem;
  return { status: ERROR_STATUS[code][0], text: problem.toText(), retry, revision, code };
}

/** The members of an object. The body is last, so that a client finds the others without parsing it. */
export function encodeAnswer({ status, text, retry, revision }: Answer): string {
  const more = `${member("retry", retry)}${member("revision", revision)}`;
  return `"status":${status}${more},"body":${text}`;
}

function member(name: string, value: number | undefined): string {
  return value === undefined ? "" : `,"${name}":${value}`;
}
