// Values: write one, read one, delete one.

import { Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authorize } from "../../memory/access/principal.ts";
import { announced } from "../../memory/channels/publish.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { applyOrConflict } from "../../memory/writes/commit.ts";
import { type Draft, writeValues } from "../../memory/writes/write-values.ts";
import { encodeCurrent } from "../../sdk/protocol.ts";
import { authenticate } from "../request/authenticate.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { limitText, readBody, readQuery } from "../request/read-request.ts";
import { deleteRequest, keyQuery, setRequest } from "../request/shapes.ts";
import { jsonResponse } from "../response/json.ts";
import { deleted, written } from "../response/written.ts";

export const values = new Hono<{ Bindings: Env }>();

values.post("/set", async (c) => {
  const principal = await authenticate(c);
  const { body, members } = await readBody(c, setRequest);
  const { key, value: parsed, ts, expect, ttl } = body;
  authorize(principal, "write", key);
  const value = limitText(members, "value", LIMITS.maxValueBytes);
  const draft: Draft = { op: "set", key, value, parsed, ts, expect, ttl };
  const idempotency = await readIdempotency(c);
  const write = writeValues(openStore(c.env), principal.namespace, [draft], { idempotency });
  const { results } = applyOrConflict(await announced(c, principal.namespace, write), principal, [draft]);
  return jsonResponse(JSON.stringify({ ok: true, ...written(results[0]) }));
});

values.get("/get", async (c) => {
  const principal = await authenticate(c);
  const { key } = readQuery(c.req.url, keyQuery);
  authorize(principal, "read", key);
  const entry = await openStore(c.env).readEntry(principal.namespace, key);
  return jsonResponse(entry && encodeCurrent("value", { ...entry, text: entry.value }));
});

values.post("/delete", async (c) => {
  const principal = await authenticate(c);
  const { body } = await readBody(c, deleteRequest);
  const { key, expect } = body;
  authorize(principal, "write", key);
  const draft: Draft = { op: "delete", key, expect };
  const idempotency = await readIdempotency(c);
  const write = writeValues(openStore(c.env), principal.namespace, [draft], { idempotency });
  const { results } = applyOrConflict(await announced(c, principal.namespace, write), principal, [draft]);
  return jsonResponse(JSON.stringify({ ok: true, ...deleted(results[0]) }));
});
