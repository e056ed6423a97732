// The API key of a request: where it can be, and in which order it is looked for.

import { API_KEY_SUBPROTOCOL } from "../../sdk/protocol.ts";
import { offeredSubprotocols } from "./subprotocols.ts";

/** The API key that a request carries, whether or not it is a good one. */
export function findApiKey(headers: Headers): string | undefined {
  return (
    headers.get("x-api-key") ||
    /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1] ||
    findInSubprotocols(offeredSubprotocols(headers))
  );
}

/** A page in a browser can give its WebSocket no other header. */
function findInSubprotocols(names: readonly string[]): string | undefined {
  const encoded = names.find((name) => name.startsWith(API_KEY_SUBPROTOCOL))?.slice(API_KEY_SUBPROTOCOL.length);
  if (encoded === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.fromBase64(encoded, { alphabet: "base64url" }),
    );
  } catch {
    return undefined; // As if there were none: it can not be one of ours.
  }
}
