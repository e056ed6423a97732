// The `Idempotency-Key` header: lets a client repeat a write when it does not know whether the first one arrived. Follows
// draft-ietf-httpapi-idempotency-key-header; the store remembers the outcome in the same step as the write.

import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import type { Idempotency } from "../../memory/store/store.ts";
import type { CallContext } from "../app-env.ts";
import { PATCH_DOCUMENTS } from "./operations.ts";
import { readBytes } from "./read-request.ts";

const HEADER = new RegExp(`^[\\x21-\\x7e]{1,${LIMITS.maxIdempotencyKeyChars}}$`);

/**
 * Returns `undefined` if the request has no such header.
 * @throws {ApiError} `invalid_request`
 */
export async function readIdempotency(c: CallContext): Promise<Idempotency | undefined> {
  const header = c.req.header("idempotency-key");
  if (header === undefined) return undefined;
  const { pathname, search } = new URL(c.req.url);
  // Only these: the outcome of any other request does not depend on its media type.
  const mediaType = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  const document = Object.hasOwn(PATCH_DOCUMENTS, mediaType) ? ` ${mediaType}` : "";
  const target = `${c.req.method} ${pathname}${search}${document}`;
  return identify(c.var.caller.keyHash, header, { target, body: await readBytes(c) });
}

/**
 * An id belongs to one API key, so callers cannot collide. A request has the same fingerprint whichever way it comes, so a
 * client may repeat over HTTP what it sent over a socket.
 * @throws {ApiError} `invalid_request`
 */
export async function identify(
  keyHash: string,
  header: string,
  { target, body }: { readonly target: string; readonly body: string | ArrayBuffer },
): Promise<Idempotency> {
  if (!HEADER.test(header)) {
    throw new ApiError(
      "invalid_request",
      `An Idempotency-Key must have 1 to ${LIMITS.maxIdempotencyKeyChars} visible ASCII characters and no spaces.`,
    );
  }
  return {
    id: await sha256(new Blob([JSON.stringify([keyHash, header])])),
    fingerprint: await sha256(new Blob([`${target}\n`, body])),
  };
}

async function sha256(data: Blob): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await data.arrayBuffer());
  return new Uint8Array(digest).toHex();
}
