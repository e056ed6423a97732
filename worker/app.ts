// The Worker on one screen: what every request passes through, and where each path is handled.

import { Hono } from "hono";
import { contextStorage } from "hono/context-storage";
import { methodNotAllowed } from "hono/method-not-allowed";
import { requestId } from "hono/request-id";
import { ApiError } from "../memory/errors.ts";
import { reportError } from "../memory/report-error.ts";
import type { AppEnv } from "./app-env.ts";
import { authenticate } from "./request/authenticate.ts";
import { limitBody } from "./request/read-request.ts";
import { errorHeaders, requestIdOf, responseHeaders } from "./response/headers.ts";
import { batch } from "./routes/batch.ts";
import { connect, connectWithoutSocket } from "./routes/connect.ts";
import { dashboard } from "./routes/dashboard.ts";
import { docs } from "./routes/docs.ts";
import { health } from "./routes/health.ts";
import { history } from "./routes/history.ts";
import { home } from "./routes/home.ts";
import { keys } from "./routes/keys.ts";
import { mcp } from "./routes/mcp.ts";
import { metrics } from "./routes/metrics.ts";
import { patch } from "./routes/patch.ts";
import { schemas } from "./routes/schemas.ts";
import { streams, upgradeRequired } from "./routes/streams.ts";
import { subscribe } from "./routes/subscribe.ts";
import { values } from "./routes/values.ts";
import { whoami } from "./routes/whoami.ts";

export const app = new Hono<AppEnv>();

app.use(contextStorage());
app.use(requestId({ headerName: "", generator: (c) => requestIdOf(c.req.header("x-request-id")) }));

// Above everything that sets headers, because the headers of a WebSocket's response cannot be changed.
app.route("/", subscribe);
app.route("/", connect);

app.use(responseHeaders);
app.use(
  methodNotAllowed({
    app,
    onMethodNotAllowed: (c, methods) =>
      new ApiError(
        "method_not_allowed",
        `${c.req.path} accepts ${methods.join(", ")}, not ${c.req.method}.`,
      ).toResponse({ allow: methods.join(", ") }),
  }),
);
app.use(limitBody);

app.route("/", home);
app.route("/", dashboard);
app.route("/", health);
app.route("/", metrics);
app.route("/", docs);
app.route("/", upgradeRequired);

// Every route below this line has a caller.
app.use(authenticate);
app.route("/", values);
app.route("/", patch);
app.route("/", batch);
app.route("/", keys);
app.route("/", schemas);
app.route("/", history);
app.route("/", whoami);
app.route("/", streams);
app.route("/", connectWithoutSocket);
app.route("/", mcp);

app.notFound((c) => new ApiError("not_found", `No such path: ${c.req.path}. See /docs.`).toResponse());

app.onError((error, c) => reportError(error).toResponse(errorHeaders(c.get("requestId"))));
