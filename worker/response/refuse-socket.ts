// Refuses a WebSocket: accepts it and closes it with a code, because a browser does not show a page the HTTP response to a failed
// handshake. The platform keeps the connection until the client has answered the close, so there may be only so many of them.

import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import { ShareUsed } from "../../memory/work-share.ts";
import { CLOSE_CODES } from "../../sdk/protocol.ts";
import { chosenSubprotocol } from "../request/subprotocols.ts";

export function isUpgrade(request: Request): boolean {
  // Hono routes HEAD as GET, but a HEAD has no client to open a socket for.
  return request.method === "GET" && request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/** "Try again later", of the registry that RFC 6455 §11.7 made. No client takes it for final. */
const TRY_AGAIN = 1013;

/** Sockets that were refused and whose clients have not answered the close yet. */
let unanswered = 0;

/** @throws what was caught, unless it has a close code, and if too many clients do not answer */
export function refuseSocket(
  headers: Headers,
  error: unknown,
  subprotocol: Parameters<typeof chosenSubprotocol>[1],
): Response {
  const code = error instanceof ShareUsed ? TRY_AGAIN : error instanceof ApiError ? closeCode(error.code) : undefined;
  if (code === undefined || unanswered >= LIMITS.maxRefusedSockets) throw error;
  const { 0: client, 1: server } = new WebSocketPair();
  unanswered++;
  const answered = once(() => unanswered--);
  server.addEventListener("close", answered);
  server.addEventListener("error", answered);
  server.accept();
  server.close(code, closeReason((error as ApiError).message));
  return socketResponse(client, chosenSubprotocol(headers, subprotocol));
}

export function socketResponse(client: WebSocket, subprotocol: string | undefined): Response {
  // A browser that does not get its subprotocol back sees no close code.
  const headers = new Headers(subprotocol && { "sec-websocket-protocol": subprotocol });
  return new Response(null, { status: 101, webSocket: client, headers });
}

/** Returns `undefined` for an error that has none. */
export function closeCode(code: string): number | undefined {
  return CLOSE_CODES[code as keyof typeof CLOSE_CODES];
}

/** RFC 6455 §5.5 leaves a close frame 123 bytes for its reason. */
export function closeReason(message: string): string {
  const room = new Uint8Array(123);
  const { written } = new TextEncoder().encodeInto(message, room);
  return new TextDecoder().decode(room.subarray(0, written));
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}
