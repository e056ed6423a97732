// Subscriptions: a WebSocket that the key's channel keeps. A refusal accepts and closes with a code of its own,
// because a browser is told nothing about an HTTP answer to a handshake.

import { Hono } from "hono";
import { CLOSE_CODES } from "../../sdk/protocol.ts";
import { authenticate } from "../access/authenticate.ts";
import { authorize } from "../access/principal.ts";
import { channelName } from "../channels/channel-name.ts";
import { ApiError } from "../errors.ts";
import { decodePercent, readQuery } from "../read-request.ts";
import { subscribeQuery } from "../requests.ts";

export const subscribe = new Hono<{ Bindings: Env }>();

const PATH = "/subscribe/";

// `/subscribe?key=` too, because no URL can carry the keys "." and ".." in its path.
subscribe.get("/subscribe/*", async (c, next) => {
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket") return next();
  try {
    const url = new URL(c.req.url);
    // From the URL itself: Hono has decoded parts of its path already.
    const inPath = url.pathname.startsWith(PATH) ? { key: decodePercent(url.pathname.slice(PATH.length)) } : {};
    const principal = authenticate(c.req.raw.headers, c.env);
    const { key, event = "value" } = readQuery(url, subscribeQuery, inPath);
    authorize(principal, "read", key);
    const { namespace } = principal;
    const channel = c.env.CHANNEL.getByName(channelName(namespace, key));
    const join = new URLSearchParams({ namespace, key, event });
    return await channel.fetch(`https://channel/?${join}`, { headers: { upgrade: "websocket" } }).catch((cause) => {
      // What it came from has lost its class on the way; joining fails only with the channel or the store it asks.
      throw new ApiError("store_unavailable", "The key's channel did not answer. Try again.", {
        cause,
        headers: { "retry-after": "1" },
      });
    });
  } catch (error) {
    if (error instanceof ApiError && error.code in CLOSE_CODES) return refuse(error);
    throw error;
  }
});

/** For whoever comes without an upgrade: past the middleware, so that a page of another origin can read the answer. */
export const subscribeWithoutUpgrade = new Hono<{ Bindings: Env }>().get("/subscribe/*", () => {
  throw new ApiError("upgrade_required", "Connect to this path with a WebSocket.", {
    headers: { upgrade: "websocket", connection: "upgrade" },
  });
});

function refuse({ code, message }: ApiError): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.close(CLOSE_CODES[code as keyof typeof CLOSE_CODES], closeReason(message));
  return new Response(null, { status: 101, webSocket: client });
}

/** RFC 6455 §5.5 leaves a close frame 123 bytes for its reason. */
function closeReason(message: string): string {
  const room = new Uint8Array(123);
  const { written } = new TextEncoder().encodeInto(message, room);
  return new TextDecoder().decode(room.subarray(0, written));
}
