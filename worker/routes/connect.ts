// Calls over a WebSocket, which ends here: many in flight, and those of one turn in one request to the store.

import { Hono } from "hono";
import { socketRequests } from "../../config/subrequests.ts";
import { ApiError, storeUnavailable } from "../../memory/errors.ts";
import { CALLS_SUBPROTOCOL } from "../../sdk/protocol.ts";
import { type AppContext, type AppEnv, committer } from "../app-env.ts";
import { CallSocket } from "../connect/call-socket.ts";
import { findCaller } from "../request/authenticate.ts";
import { chosenSubprotocol } from "../request/subprotocols.ts";
import { isUpgrade, refuseSocket, socketResponse } from "../response/refuse-socket.ts";

export const connect = new Hono<AppEnv>();

connect.get("/connect", (c, next) => (isUpgrade(c.req.raw) ? open(c) : next()));

/** Stands below the line of app.ts from which on every route has a caller. */
export const connectWithoutSocket = new Hono<AppEnv>();

connectWithoutSocket.get("/connect", () =>
  new ApiError("upgrade_required", "Connect to this path with a WebSocket.").toResponse({
    upgrade: "websocket",
    connection: "upgrade",
  }),
);

async function open(c: AppContext): Promise<Response> {
  const { headers } = c.req.raw;
  try {
    c.set("caller", await findCaller(headers, c.env));
    const subprotocol = chosenSubprotocol(headers, CALLS_SUBPROTOCOL);
    if (!subprotocol) throw new ApiError("invalid_request", `Offer the subprotocol ${CALLS_SUBPROTOCOL}.`);
    const opener = committer(c);
    const requests = readRequests(c.env, opener.store.engine);
    const { 0: client, 1: server } = new WebSocketPair();
    new CallSocket(server, opener, { requestId: c.get("requestId"), ...requests });
    return socketResponse(client, subprotocol);
  } catch (error) {
    return refuseSocket(headers, error, CALLS_SUBPROTOCOL);
  }
}

/** @throws {ApiError} `store_unavailable` if the setting is not valid */
function readRequests(env: Env, engine: string) {
  try {
    // Only wrangler.toml binds the limiter.
    return socketRequests(env, { engine, onCloudflare: env.RATE_LIMITER !== undefined });
  } catch (cause) {
    throw storeUnavailable(cause);
  }
}
