// The `Idempotency-Key` header: lets a client send a write again when it does not know whether the first one arrived.
// As draft-ietf-httpapi-idempotency-key-header says; the store remembers, in the same step as the write.

import type { Context } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import type { Idempotency } from "../../memory/store/store.ts";
import { findApiKey } from "./find-api-key.ts";

const HEADER = new RegExp(`^[\\x21-\\x7e]{1,${LIMITS.maxIdempotencyKeyChars}}$`);

/**
 * Nothing where the caller does not ask for it. Ids are those of an API key: nobody runs into another's.
 * @throws {ApiError} `invalid_request`
 */
export async function readIdempotency(c: Context): Promise<Idempotency | undefined> {
  const header = c.req.header("idempotency-key");
  if (header === undefined) return undefined;
  if (!HEADER.test(header)) {
    throw new ApiError(
      "invalid_request",
      `An Idempotency-Key has 1 to ${LIMITS.maxIdempotencyKeyChars} visible ASCII characters and no spaces.`,
    );
  }
  const { pathname, search } = new URL(c.req.url);
  const request = new Blob([`${c.req.method} ${pathname}${search}\n`, await c.req.arrayBuffer()]);
  return {
    id: await sha256(new Blob([JSON.stringify([findApiKey(c.req.raw.headers), header])])),
    fingerprint: await sha256(request),
  };
}

export function idReused(): ApiError {
  return new ApiError(
    "invalid_request",
    "This Idempotency-Key was used for another request. Use a new one for each write.",
  );
}

async function sha256(data: Blob): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await data.arrayBuffer());
  return new Uint8Array(digest).toHex();
}
