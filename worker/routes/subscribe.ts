// Subscriptions by WebSocket: to a key, or to all keys that match a pattern. The channel keeps the socket.

import { Hono } from "hono";
import { type Join, joinChannel } from "../../memory/channels/join.ts";
import { workShare } from "../../memory/work-share.ts";
import { SUBPROTOCOL } from "../../sdk/protocol.ts";
import type { AppContext, AppEnv } from "../app-env.ts";
import { findCaller } from "../request/authenticate.ts";
import { isUpgrade, refuseSocket } from "../response/refuse-socket.ts";
import { readSubscription, readWatch } from "../streams/read-subscription.ts";

export const subscribe = new Hono<AppEnv>();

subscribe.get("/subscribe/*", (c, next) => (isUpgrade(c.req.raw) ? open(c, readSubscription) : next()));
subscribe.get("/watch", (c, next) => (isUpgrade(c.req.raw) ? open(c, readWatch) : next()));

async function open(c: AppContext, read: (c: AppContext) => Join): Promise<Response> {
  try {
    const caller = await findCaller(c.req.raw.headers, c.env);
    c.set("caller", caller);
    c.set("workShare", workShare(c.env, caller.namespace));
    return await joinChannel(c.env, read(c), c.req.raw.cf);
  } catch (error) {
    return refuseSocket(c.req.raw.headers, error, SUBPROTOCOL);
  }
}
