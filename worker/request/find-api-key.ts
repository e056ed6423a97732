// Finds the API key of a request: where it can be, and in which order memX looks for it.

import { API_KEY_SUBPROTOCOL } from "../../sdk/protocol.ts";
import { offeredSubprotocols } from "./subprotocols.ts";

/** Returns the API key that a request carries, valid or not. */
export function findApiKey(headers: Headers): string | undefined {
  return (
    headers.get("x-api-key") ||
    /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1] ||
    findInSubprotocols(offeredSubprotocols(headers))
  );
}

/** A browser lets a page set no other header of a WebSocket. */
function findInSubprotocols(names: readonly string[]): string | undefined {
  const encoded = names.find((name) => name.startsWith(API_KEY_SUBPROTOCOL))?.slice(API_KEY_SUBPROTOCOL.length);
  if (encoded === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.fromBase64(encoded, { alphabet: "base64url" }),
    );
  } catch {
    return undefined; // As if there were none.
  }
}
