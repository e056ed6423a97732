// What a caller sees of any failure. The log gets what the caller must not see.

import { ApiError } from "./errors.ts";
import { log } from "./log.ts";

export function reportError(error: unknown): ApiError {
  const known = error instanceof ApiError;
  if (!known || error.cause) log("error", known ? error.code : "internal", { cause: known ? error.cause : error });
  return known ? error : new ApiError("internal", "Internal error. The details are in the server log.");
}
