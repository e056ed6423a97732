// What a WebSocket offers memX: the protocol, and the API key, because browsers cannot set a header.

import { API_KEY_SUBPROTOCOL } from "../protocol.ts";

export function subprotocols(protocol: string, apiKey: string | undefined): string[] {
  if (apiKey === undefined) return [protocol];
  const binary = Array.from(new TextEncoder().encode(apiKey), (byte) => String.fromCharCode(byte)).join("");
  const base64url = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return [protocol, API_KEY_SUBPROTOCOL + base64url];
}
