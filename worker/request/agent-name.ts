// The `x-memx-agent` header: the name that a writer gives itself. memX keeps it with each change and shows it as `by`. It
// proves nothing: every holder of the API key may use any name.

import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import type { CallContext } from "../app-env.ts";

/** Visible ASCII characters, and spaces between them: what every client can send in a header and reads as the same text. */
const NAME = new RegExp(`^(?! )[\\x20-\\x7e]{1,${LIMITS.maxAgentChars}}(?<! )$`);

export function isAgentName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Returns `undefined` if the request has no such header.
 * @throws {ApiError} `invalid_request`
 */
export function readAgentName(c: Pick<CallContext, "req">): string | undefined {
  return checkAgentName(c.req.header("x-memx-agent"), "The header x-memx-agent");
}

/** @throws {ApiError} `invalid_request` */
export function checkAgentName(name: string | undefined, what: string): string | undefined {
  if (name === undefined || isAgentName(name)) return name;
  throw new ApiError(
    "invalid_request",
    `${what} must have 1 to ${LIMITS.maxAgentChars} visible ASCII characters, with spaces only between them.`,
  );
}
