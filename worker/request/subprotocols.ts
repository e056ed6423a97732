// Reads the subprotocols that a client offers in `Sec-WebSocket-Protocol`.

import { type CALLS_SUBPROTOCOL, SUBPROTOCOL } from "../../sdk/protocol.ts";

export function offeredSubprotocols(headers: Headers): string[] {
  return (headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
}

/** The subprotocol to respond with. memX never responds with any other: a path has one. */
export function chosenSubprotocol(
  headers: Headers,
  subprotocol: typeof SUBPROTOCOL | typeof CALLS_SUBPROTOCOL = SUBPROTOCOL,
): string | undefined {
  return offeredSubprotocols(headers).includes(subprotocol) ? subprotocol : undefined;
}
