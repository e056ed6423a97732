// Subscriptions by WebSocket: to a key, or to all keys that match a pattern. The channel keeps the socket. A refusal accepts
// and closes with a code of its own, because a browser is told nothing about an HTTP answer to a handshake.

import { type Context, Hono } from "hono";
import { type Join, joinChannel } from "../../memory/channels/join.ts";
import { ApiError } from "../../memory/errors.ts";
import { CLOSE_CODES } from "../../sdk/protocol.ts";
import { chosenSubprotocol } from "../request/subprotocols.ts";
import { readSubscription, readWatch } from "../streams/read-subscription.ts";

export const subscribe = new Hono<{ Bindings: Env }>();

subscribe.get("/subscribe/*", (c, next) => (isUpgrade(c) ? open(c, readSubscription) : next()));
subscribe.get("/watch", (c, next) => (isUpgrade(c) ? open(c, readWatch) : next()));

function isUpgrade(c: Context): boolean {
  // Hono takes a HEAD for a GET, but nobody is there to open a socket for.
  return c.req.method === "GET" && c.req.header("upgrade")?.toLowerCase() === "websocket";
}

async function open<C extends Context<{ Bindings: Env }>>(c: C, read: (c: C) => Promise<Join>): Promise<Response> {
  try {
    return await joinChannel(c.env, await read(c));
  } catch (error) {
    if (error instanceof ApiError && error.code in CLOSE_CODES) return refuse(c, error);
    throw error;
  }
}

function refuse(c: Context, { code, message }: ApiError): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.close(CLOSE_CODES[code as keyof typeof CLOSE_CODES], closeReason(message));
  // A browser that is not answered its subprotocol sees no close code.
  const subprotocol = chosenSubprotocol(c.req.raw.headers);
  const headers = new Headers(subprotocol && { "sec-websocket-protocol": subprotocol });
  return new Response(null, { status: 101, webSocket: client, headers });
}

/** RFC 6455 §5.5 leaves a close frame 123 bytes for its reason. */
function closeReason(message: string): string {
  const room = new Uint8Array(123);
  const { written } = new TextEncoder().encodeInto(message, room);
  return new TextDecoder().decode(room.subarray(0, written));
}
