// Counts the sockets of calls that each API key has open in this isolate, so that no API key fills its memory with them.

import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";

const open = new Map<string, number>();

/**
 * Takes a place for a socket. Call the returned function once when the socket has ended.
 * @throws {ApiError} `rate_limited`
 */
export function takePlace(keyHash: string): () => void {
  const count = open.get(keyHash) ?? 0;
  if (count >= LIMITS.maxCallSocketsPerApiKey) {
    const detail = `An API key must not have more than ${LIMITS.maxCallSocketsPerApiKey} sockets of calls.`;
    throw new ApiError("rate_limited", detail, { retryAfterSeconds: 30 });
  }
  open.set(keyHash, count + 1);
  return () => {
    const left = (open.get(keyHash) ?? 0) - 1;
    if (left > 0) open.set(keyHash, left);
    else open.delete(keyHash);
  };
}
