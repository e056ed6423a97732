// Subscriptions without a WebSocket: server-sent events and the long poll. Both read a channel's socket, so the channel can
// hibernate under them too.

import { Hono } from "hono";
import { type Join, joinSocket } from "../../memory/channels/join.ts";
import { ApiError } from "../../memory/errors.ts";
import type { AppContext, AppEnv } from "../app-env.ts";
import { eventStream } from "../streams/event-stream.ts";
import { longPoll } from "../streams/long-poll.ts";
import { readPoll, readSubscription, readWatch, STREAM } from "../streams/read-subscription.ts";

/** Refuses plain HTTP requests to the paths of subscriptions. Says how to connect before it asks for an API key. */
export const upgradeRequired = new Hono<AppEnv>();

upgradeRequired.on("GET", ["/subscribe/*", "/watch"], (c, next) => {
  if (c.req.header("accept")?.includes("text/event-stream")) return next();
  const detail = "Connect to this path with a WebSocket, or accept text/event-stream.";
  return new ApiError("upgrade_required", detail).toResponse({ upgrade: "websocket", connection: "upgrade" });
});

export const streams = new Hono<AppEnv>();

streams.get("/subscribe/*", (c) => stream(c, readSubscription));
streams.get("/watch", (c) => stream(c, readWatch));

streams.get("/changes", async (c) => {
  const { join, waitMs } = readPoll(c);
  if (c.req.method === "HEAD") return headOf("application/json");
  return longPoll(await joinSocket(c.env, join, c.req.raw.cf), waitMs);
});

async function stream(c: AppContext, read: (c: AppContext) => Join): Promise<Response> {
  const join = { ...read(c), ...STREAM };
  if (c.req.method === "HEAD") return headOf("text/event-stream");
  return eventStream(await joinSocket(c.env, join, c.req.raw.cf), join);
}

/** Responds to HEAD, which has no reader and so joins nothing. Hono runs the handler of GET for it. */
function headOf(contentType: string): Response {
  return new Response(null, { headers: { "content-type": contentType } });
}
