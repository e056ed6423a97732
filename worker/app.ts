// The Worker in one screen: what every request passes, and where each path is answered.

import { Hono } from "hono";
import { contextStorage } from "hono/context-storage";
import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import { type RequestIdVariables, requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { timing } from "hono/timing";
import { ApiError } from "./errors.ts";
import { log } from "./log.ts";
import { limitBody } from "./read-request.ts";
import { batch } from "./routes/batch.ts";
import { docs } from "./routes/docs.ts";
import { health } from "./routes/health.ts";
import { history } from "./routes/history.ts";
import { keys } from "./routes/keys.ts";
import { patch } from "./routes/patch.ts";
import { schemas } from "./routes/schemas.ts";
import { streams } from "./routes/streams.ts";
import { subscribe } from "./routes/subscribe.ts";
import { values } from "./routes/values.ts";

export const app = new Hono<{ Bindings: Env; Variables: RequestIdVariables }>();

app.use(contextStorage());
// A caller's own id is taken where it is short and has nothing but letters, digits, "_", "-" and "=".
app.use(requestId({ headerName: "x-request-id", limitLength: 64 }));

// Before what follows, because the headers of a WebSocket's response can not be changed.
app.route("/", subscribe);

app.use(timing({ crossOrigin: "*" }));
app.use(
  secureHeaders({
    strictTransportSecurity: "max-age=31536000",
    xFrameOptions: "DENY",
    // Pages of any origin may call memX: see CORS.
    crossOriginResourcePolicy: "cross-origin",
  }),
);
app.use(cors({ origin: "*", exposeHeaders: ["retry-after", "x-request-id"], maxAge: 86_400 }));
app.use(
  methodNotAllowed({
    app,
    onMethodNotAllowed: (c, methods) =>
      new ApiError("method_not_allowed", `${c.req.path} takes ${methods.join(", ")}, not ${c.req.method}.`, {
        headers: { allow: methods.join(", ") },
      }).toResponse(),
  }),
);
app.use(limitBody);

app.route("/", values);
app.route("/", patch);
app.route("/", batch);
app.route("/", keys);
app.route("/", schemas);
app.route("/", history);
app.route("/", streams);
app.route("/", health);
app.route("/", docs);

app.notFound((c) => new ApiError("not_found", `There is nothing at ${c.req.path}. See /docs.`).toResponse());

app.onError((error, c) => {
  const known = error instanceof ApiError;
  if (!known || error.cause) log("error", known ? error.code : "internal", { cause: known ? error.cause : error });
  const told = known ? error : new ApiError("internal", "Something went wrong here. It has been logged.");
  return told.toResponse({ "x-request-id": c.get("requestId") });
});
