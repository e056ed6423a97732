// Values: write one, read one or several, delete one.

import { Hono } from "hono";
import { type AppEnv, type CallContext, committer, reader } from "../app-env.ts";
import { deleteCall, readCall, readEntry, setCall } from "../calls/value-calls.ts";
import { withHeaderRevision } from "../request/freshness.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readBody, readQuery } from "../request/read-request.ts";
import { callResponse, entryResponse } from "../response/json.ts";

export const values = new Hono<AppEnv>();

/** `POST /set` */
export async function setValue(c: CallContext): Promise<Response> {
  const body = await readBody(c, OPERATIONS.set.request);
  return callResponse(await setCall(committer(c), body, await readIdempotency(c)));
}

/** `GET /get` */
export async function getValue(c: CallContext): Promise<Response> {
  const query = readQuery(c.req.url, OPERATIONS.get.request);
  const read = await readEntry(reader(c), withHeaderRevision(c, query));
  return entryResponse(read, c.req.header("if-none-match"));
}

values.post("/set", setValue);
values.get("/get", getValue);

values.post("/read", async (c) => {
  const { body } = await readBody(c, OPERATIONS.read.request);
  return callResponse(await readCall(reader(c), withHeaderRevision(c, body)));
});

values.post("/delete", async (c) => {
  const body = await readBody(c, OPERATIONS.delete.request);
  return callResponse(await deleteCall(committer(c), body, await readIdempotency(c)));
});
