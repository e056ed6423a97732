// The cursor of a listing of keys: the key to go on after. The page before had that key, or the cursor is sealed: it may be a key
// that the caller must not read, or that was deleted.

import type { Caller } from "../../memory/access/principal.ts";
import { seal, unseal } from "./cursor-seal.ts";
import { invalid } from "./read-request.ts";

type Listing = { readonly env: Env; readonly caller: Caller; readonly prefix: string };

/** Before sealed cursors. Base64url does not have it. */
const SEALED = ".";
const BASE64URL = { alphabet: "base64url", omitPadding: true } as const;

/**
 * Returns `null` if no page follows.
 * @param lastListed the last key of the page, `undefined` if it has none
 */
export async function writeCursor(
  listing: Listing,
  next: string | null,
  lastListed: string | undefined,
): Promise<string | null> {
  if (next === null) return null;
  if (next === lastListed) return new TextEncoder().encode(next).toBase64(BASE64URL);
  return SEALED + (await seal(listing.env, next, boundTo(listing))).toBase64(BASE64URL);
}

/**
 * Returns the key to go on after.
 * @param part of the request that has the cursor
 * @throws {ApiError} `invalid_request`
 */
export async function readCursor(listing: Listing, cursor: string | undefined, part = "query"): Promise<string> {
  if (cursor === undefined) return "";
  try {
    const key = await decode(listing, cursor);
    if (key !== "" && key.startsWith(listing.prefix)) return key;
  } catch {
    // The cursor is malformed: refused below, like the cursor of another prefix.
  }
  throw invalid(part, [{ path: "/cursor", message: "Must be the `cursor` of a page with the same prefix." }]);
}

async function decode(listing: Listing, cursor: string): Promise<string> {
  const isSealed = cursor.startsWith(SEALED);
  const bytes = Uint8Array.fromBase64(isSealed ? cursor.slice(SEALED.length) : cursor, BASE64URL);
  if (isSealed) return unseal(listing.env, bytes, boundTo(listing));
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

function boundTo({ caller, prefix }: Listing): string {
  return JSON.stringify([caller.namespace, prefix]);
}
