// Values: write one, read one or several, delete one.

import { Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authorize } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { commit } from "../../memory/writes/commit.ts";
import { type AppEnv, committer } from "../app-env.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { OPERATIONS } from "../request/operations.ts";
import { invalid, keyError, limitText, readBody, readQuery } from "../request/read-request.ts";
import { deleteFields, encodeEntry, entryResponse, jsonResponse, setFields } from "../response/json.ts";

export const values = new Hono<AppEnv>();

values.post("/set", async (c) => {
  const { body, members } = await readBody(c, OPERATIONS.set.request);
  const { key, value: parsed, ts, expect, ttl } = body;
  const value = limitText(members, "value", LIMITS.maxValueBytes);
  const draft = { op: "set", key, value, parsed, ts, expect, ttl } as const;
  const [result] = await commit(committer(c), [draft], { idempotency: await readIdempotency(c) });
  return jsonResponse(JSON.stringify({ ok: true, ...setFields(result) }));
});

values.get("/get", async (c) => {
  const { key } = readQuery(c.req.url, OPERATIONS.get.request);
  authorize(c.var.caller, "read", key);
  const entry = await openStore(c.env).readEntry(c.var.caller.namespace, key);
  return entryResponse(entry, c.req.header("if-none-match"));
});

values.post("/read", async (c) => {
  const { body } = await readBody(c, OPERATIONS.read.request);
  const { caller } = c.var;
  const errors = body.keys.flatMap((key, index) => keyError(key, `/keys/${index}`) ?? []);
  if (errors.length > 0) throw invalid("body", errors);
  for (const key of body.keys) authorize(caller, "read", key);
  const read = await openStore(c.env).readMany(caller.namespace, body.keys);
  if (read.outcome === "too_large") {
    const detail = `The values of these keys are larger than ${LIMITS.maxReadBytes} bytes together. Read fewer keys at a time.`;
    throw new ApiError("too_large", detail);
  }
  return jsonResponse(`{"entries":[${read.entries.map(encodeEntry).join(",")}],"revision":${read.head}}`);
});

values.post("/delete", async (c) => {
  const { body } = await readBody(c, OPERATIONS.delete.request);
  const draft = { op: "delete", ...body } as const;
  const [result] = await commit(committer(c), [draft], { idempotency: await readIdempotency(c) });
  return jsonResponse(JSON.stringify({ ok: true, ...deleteFields(result) }));
});
