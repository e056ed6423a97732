// Lists the changes of a key.

import { Hono } from "hono";
import { type AppEnv, reader } from "../app-env.ts";
import { historyCall } from "../calls/list-calls.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readQuery } from "../request/read-request.ts";
import { callResponse } from "../response/json.ts";

export const history = new Hono<AppEnv>();

history.get("/history", async (c) =>
  callResponse(await historyCall(reader(c), readQuery(c.req.url, OPERATIONS.history.request))),
);
