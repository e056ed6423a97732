// Changes part of a value, without undoing what other callers change at the same time.

import { Hono } from "hono";
import { type AppEnv, committer } from "../app-env.ts";
import { patch as patchValue } from "../calls/value-calls.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { readPatch } from "../request/read-patch.ts";
import { callResponse } from "../response/json.ts";

export const patch = new Hono<AppEnv>();

patch.post("/patch", async (c) => {
  const request = await readPatch(c);
  return callResponse(await patchValue(committer(c), request, await readIdempotency(c)));
});
