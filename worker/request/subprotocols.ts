// What a client offers in `Sec-WebSocket-Protocol`.

import { SUBPROTOCOL } from "../../sdk/protocol.ts";

export function offeredSubprotocols(headers: Headers): string[] {
  return (headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
}

/** The one to answer; no other is ever answered. */
export function chosenSubprotocol(headers: Headers): string | undefined {
  return offeredSubprotocols(headers).includes(SUBPROTOCOL) ? SUBPROTOCOL : undefined;
}
