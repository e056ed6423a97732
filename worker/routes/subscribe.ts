// Subscriptions by WebSocket: to a key, or to all keys that match a pattern. The channel keeps the socket. A refusal accepts the
// socket and closes it with a code, because a browser does not show a page the HTTP response to a failed handshake.

import { Hono } from "hono";
import { type Join, joinChannel } from "../../memory/channels/join.ts";
import { ApiError } from "../../memory/errors.ts";
import { CLOSE_CODES } from "../../sdk/protocol.ts";
import type { AppContext, AppEnv } from "../app-env.ts";
import { findCaller } from "../request/authenticate.ts";
import { chosenSubprotocol } from "../request/subprotocols.ts";
import { readSubscription, readWatch } from "../streams/read-subscription.ts";

export const subscribe = new Hono<AppEnv>();

subscribe.get("/subscribe/*", (c, next) => (isUpgrade(c) ? open(c, readSubscription) : next()));
subscribe.get("/watch", (c, next) => (isUpgrade(c) ? open(c, readWatch) : next()));

function isUpgrade(c: AppContext): boolean {
  // Hono routes HEAD as GET, but a HEAD has no client to open a socket for.
  return c.req.method === "GET" && c.req.header("upgrade")?.toLowerCase() === "websocket";
}

async function open(c: AppContext, read: (c: AppContext) => Join): Promise<Response> {
  try {
    c.set("caller", await findCaller(c.req.raw.headers, c.env));
    return await joinChannel(c.env, read(c));
  } catch (error) {
    if (error instanceof ApiError && error.code in CLOSE_CODES) return refuse(c, error);
    throw error;
  }
}

function refuse(c: AppContext, { code, message }: ApiError): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.close(CLOSE_CODES[code as keyof typeof CLOSE_CODES], closeReason(message));
  // A browser that does not get its subprotocol back sees no close code.
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
