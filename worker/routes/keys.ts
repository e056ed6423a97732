// Lists the keys that hold a value.

import { Hono } from "hono";
import { type AppEnv, reader } from "../app-env.ts";
import { keysCall } from "../calls/list-calls.ts";
import { withHeaderRevision } from "../request/freshness.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readQuery } from "../request/read-request.ts";
import { callResponse } from "../response/json.ts";

export const keys = new Hono<AppEnv>();

keys.get("/keys", async (c) => {
  const query = readQuery(c.req.url, OPERATIONS.keys.request);
  return callResponse(await keysCall(reader(c), withHeaderRevision(c, query)));
});
