// Schemas: one JSON Schema per key, which every later write of the key's value has to match.

import { type Context, Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authenticate } from "../access/authenticate.ts";
import { authorize } from "../access/principal.ts";
import { announced } from "../channels/publish.ts";
import { ApiError } from "../errors.ts";
import { idReused, readIdempotency } from "../idempotency.ts";
import { jsonAnswer } from "../json-answer.ts";
import { limitText, readBody, readQuery } from "../read-request.ts";
import { keyQuery, schemaRequest } from "../requests.ts";
import { checkSchema } from "../schemas/check-schema.ts";
import { openStore } from "../store/open-store.ts";
import type { AppliedChange, Operation, WriteOutcome } from "../store/store.ts";

export const schemas = new Hono<{ Bindings: Env }>();

schemas.post("/schema", async (c) => {
  const principal = await authenticate(c);
  const { body, members } = await readBody(c, schemaRequest);
  const { key, schema } = body;
  authorize(principal, "write", key);
  const text = limitText(members, "schema", LIMITS.maxSchemaBytes);
  const errors = checkSchema(schema);
  if (errors.length > 0) throw new ApiError("invalid_schema", "Invalid schema.", { errors });
  return answerChange(c, principal.namespace, { op: "schema_set", key, schema: text });
});

schemas.get("/schema", async (c) => {
  const principal = await authenticate(c);
  const { key } = readQuery(new URL(c.req.url), keyQuery);
  authorize(principal, "read", key);
  const stored = await openStore(c.env).readSchema(principal.namespace, key);
  if (stored === null) throw new ApiError("not_found", "Schema not found.");
  return jsonAnswer(`{"key":${JSON.stringify(key)},"schema":${stored.schema},"revision":${stored.revision}}`);
});

schemas.delete("/schema", async (c) => {
  const principal = await authenticate(c);
  const { key } = readQuery(new URL(c.req.url), keyQuery);
  authorize(principal, "write", key);
  return answerChange(c, principal.namespace, { op: "schema_delete", key });
});

/** Applies the operation and answers with its revision, or with 404 where there was nothing to change. */
async function answerChange(c: Context<{ Bindings: Env }>, namespace: string, operation: Operation): Promise<Response> {
  const write = openStore(c.env).write(namespace, [operation], await readIdempotency(c));
  const applied = await announced(c, namespace, write.then(onlyResult));
  if (!applied) throw new ApiError("not_found", "Schema not found.");
  return c.json({ ok: true, revision: applied.change.revision });
}

function onlyResult(outcome: WriteOutcome): AppliedChange | null {
  if (outcome.outcome === "id_reused") throw idReused();
  return outcome.outcome === "applied" ? (outcome.results[0] ?? null) : null;
}
