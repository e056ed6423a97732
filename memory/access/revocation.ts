// How soon a revoked API key stops working: one setting for calls and for open sockets.

import { LIMITS } from "../../config/limits.ts";
import { misconfigured } from "./access.ts";

/**
 * Milliseconds for which memX trusts a positive look-up of an API key.
 * @throws {ApiError} `auth_unavailable`
 */
export function revocationMs({ REVOCATION_SECONDS: setting }: Pick<Env, "REVOCATION_SECONDS">): number {
  const seconds = Number(setting || LIMITS.revocationSeconds);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 300) return seconds * 1000;
  throw misconfigured("REVOCATION_SECONDS must be a whole number from 1 to 300.");
}
