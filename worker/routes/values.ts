// Values: write one, read one.

import { Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authenticate } from "../access/authenticate.ts";
import { authorize } from "../access/principal.ts";
import { announced } from "../channels/publish.ts";
import { readIdempotency } from "../idempotency.ts";
import { jsonAnswer } from "../json-answer.ts";
import { limitText, readBody, readQuery } from "../read-request.ts";
import { keyQuery, setRequest } from "../requests.ts";
import { openStore } from "../store/open-store.ts";
import { writeValue } from "../write-value.ts";

export const values = new Hono<{ Bindings: Env }>();

values.post("/set", async (c) => {
  const principal = await authenticate(c);
  const { body, members } = await readBody(c, setRequest);
  const { key, value } = body;
  authorize(principal, "write", key);
  const text = limitText(members, "value", LIMITS.maxValueBytes);
  const idempotency = await readIdempotency(c);
  const write = writeValue(openStore(c.env), principal.namespace, { key, value, text }, idempotency);
  const { revision, ts } = (await announced(c, principal.namespace, write)).change;
  return c.json({ ok: true, updated: true, revision, ts });
});

values.get("/get", async (c) => {
  const principal = await authenticate(c);
  const { key } = readQuery(new URL(c.req.url), keyQuery);
  authorize(principal, "read", key);
  const entry = await openStore(c.env).readEntry(principal.namespace, key);
  return jsonAnswer(entry && `{"value":${entry.value},"ts":${entry.ts},"revision":${entry.revision}}`);
});
