// Subscriptions without a WebSocket: server-sent events, and the long poll. Both read a channel's socket, so the channel
// hibernates under them too.

import { type Context, Hono } from "hono";
import { type Join, joinChannel } from "../../memory/channels/join.ts";
import { ApiError } from "../../memory/errors.ts";
import { eventStream } from "../streams/event-stream.ts";
import { longPoll } from "../streams/long-poll.ts";
import { readPoll, readSubscription, readWatch, STREAM } from "../streams/read-subscription.ts";

export const streams = new Hono<{ Bindings: Env }>();

streams.get("/subscribe/*", (c) => stream(c, readSubscription));
streams.get("/watch", (c) => stream(c, readWatch));

streams.get("/changes", async (c) => {
  const { join, since, waitMs } = await readPoll(c);
  return longPoll(await openSocket(c.env, join), since, waitMs);
});

async function stream<C extends Context<{ Bindings: Env }>>(c: C, read: (c: C) => Promise<Join>): Promise<Response> {
  if (!c.req.header("accept")?.includes("text/event-stream")) {
    const detail = "Connect to this path with a WebSocket, or accept text/event-stream.";
    return new ApiError("upgrade_required", detail).toResponse({ upgrade: "websocket", connection: "upgrade" });
  }
  const join = { ...(await read(c)), ...STREAM };
  return eventStream(await openSocket(c.env, join), join);
}

async function openSocket(env: Env, join: Join): Promise<WebSocket> {
  const { webSocket } = await joinChannel(env, join);
  if (!webSocket) throw new Error("the channel answered without a socket");
  return webSocket;
}
