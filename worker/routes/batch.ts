// Several writes in one request: all of them or none, or each for itself.

import { Hono } from "hono";
import { turnStore } from "../../memory/store/turn-store.ts";
import { type AppEnv, committer } from "../app-env.ts";
import { batchCall } from "../calls/batch-call.ts";
import { bulkCall } from "../calls/bulk-call.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readBody } from "../request/read-request.ts";
import { callResponse } from "../response/json.ts";

export const batch = new Hono<AppEnv>();

batch.post("/batch", async (c) => {
  const body = await readBody(c, OPERATIONS.batch.request, OPERATIONS.batch);
  return callResponse(await batchCall(committer(c), body, await readIdempotency(c)));
});

batch.post("/bulk", async (c) => {
  const body = await readBody(c, OPERATIONS.bulk.request, OPERATIONS.bulk);
  const writer = committer(c);
  const store = turnStore(writer.store);
  return callResponse(await bulkCall({ ...writer, store, deadline: store.deadline }, body, await readIdempotency(c)));
});
