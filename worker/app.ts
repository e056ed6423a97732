// The Worker in one screen: what every request passes, and where each path is answered.

import { Hono } from "hono";
import { contextStorage } from "hono/context-storage";
import { methodNotAllowed } from "hono/method-not-allowed";
import { type RequestIdVariables, requestId } from "hono/request-id";
import { ApiError } from "../memory/errors.ts";
import { log } from "../memory/log.ts";
import { limitBody } from "./request/read-request.ts";
import { answerHeaders, requestIdOf } from "./response/headers.ts";
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
app.use(requestId({ headerName: "", generator: requestIdOf }));

// Before what follows, because the headers of a WebSocket's response can not be changed.
app.route("/", subscribe);

app.use(answerHeaders);
app.use(
  methodNotAllowed({
    app,
    onMethodNotAllowed: (c, methods) =>
      new ApiError("method_not_allowed", `${c.req.path} takes ${methods.join(", ")}, not ${c.req.method}.`).toResponse({
        allow: methods.join(", "),
      }),
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
