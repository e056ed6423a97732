// Lists the keys that hold a value.

import { Hono } from "hono";
import { type AppEnv, reader } from "../app-env.ts";
import { keysCall } from "../calls/list-calls.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readQuery } from "../request/read-request.ts";
import { jsonResponse } from "../response/json.ts";

export const keys = new Hono<AppEnv>();

keys.get("/keys", async (c) => jsonResponse(await keysCall(reader(c), readQuery(c.req.url, OPERATIONS.keys.request))));
