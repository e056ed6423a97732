// Reads the subprotocols that a client offers in `Sec-WebSocket-Protocol`.

import { SUBPROTOCOL } from "../../sdk/protocol.ts";

export function offeredSubprotocols(headers: Headers): string[] {
  return (headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
}

/** The subprotocol to respond with. memX never responds with any other. */
export function chosenSubprotocol(headers: Headers): string | undefined {
  return offeredSubprotocols(headers).includes(SUBPROTOCOL) ? SUBPROTOCOL : undefined;
}
