// Schemas: one JSON Schema per key, which every later write of the key's value must match.

import { Hono } from "hono";
import { type AppEnv, committer, reader } from "../app-env.ts";
import { deleteSchemaCall, getSchemaCall, setSchemaCall } from "../calls/schema-calls.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readBody, readQuery } from "../request/read-request.ts";
import { callResponse } from "../response/json.ts";

export const schemas = new Hono<AppEnv>();

schemas.post("/schema", async (c) => {
  const body = await readBody(c, OPERATIONS.setSchema.request);
  return callResponse(await setSchemaCall(committer(c), body, await readIdempotency(c)));
});

schemas.get("/schema", async (c) =>
  callResponse(await getSchemaCall(reader(c), readQuery(c.req.url, OPERATIONS.getSchema.request))),
);

schemas.delete("/schema", async (c) => {
  const body = readQuery(c.req.url, OPERATIONS.deleteSchema.request);
  return callResponse(await deleteSchemaCall(committer(c), { body, members: new Map() }, await readIdempotency(c)));
});
