// The cursor of a listing of keys: the last key of the page before, in base64url.

import { invalid } from "./read-request.ts";

export function writeCursor(key: string): string {
  return new TextEncoder().encode(key).toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * @param part of the request that has the cursor
 * @throws {ApiError} `invalid_request`
 */
export function readCursor(cursor: string, prefix: string, part = "query"): string {
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    const key = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (key !== "" && key.startsWith(prefix)) return key;
  } catch {
    // The cursor is malformed: refused below, like the cursor of another prefix.
  }
  throw invalid(part, [{ path: "/cursor", message: "Must be the `cursor` of a page with the same prefix." }]);
}
