// Reads the setting of the rate limit. It stands in config/, because `npm start` checks it without the Worker's source.

import { LIMITS } from "./limits.ts";

/** Calls per API key and period of `LIMITS.callPeriodSeconds`; `undefined` means any number. */
export function callLimit({ RATE_LIMIT }: { readonly RATE_LIMIT?: string | undefined }): number | undefined {
  const limit = RATE_LIMIT ? Number(RATE_LIMIT) : LIMITS.callsPerPeriod;
  if (!Number.isInteger(limit) || limit < 0 || limit > 1_000_000_000) {
    throw new Error("RATE_LIMIT must be a whole number of calls in 10 seconds, or 0 for no limit.");
  }
  return limit || undefined;
}
