// Schemas: one JSON Schema per key, which every later write of the key's value has to match.

import { type Context, Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authorize, type Principal } from "../../memory/access/principal.ts";
import { announced } from "../../memory/channels/publish.ts";
import { ApiError } from "../../memory/errors.ts";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { applyOrConflict } from "../../memory/writes/commit.ts";
import { type Draft, writeValues } from "../../memory/writes/write-values.ts";
import { authenticate } from "../request/authenticate.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { limitText, readBody, readQuery } from "../request/read-request.ts";
import { keyQuery, schemaDeletionQuery, schemaRequest } from "../request/shapes.ts";
import { jsonResponse } from "../response/json.ts";

export const schemas = new Hono<{ Bindings: Env }>();

schemas.post("/schema", async (c) => {
  const principal = await authenticate(c);
  const { body, members } = await readBody(c, schemaRequest);
  const { key, schema, expect } = body;
  authorize(principal, "write", key);
  const text = limitText(members, "schema", LIMITS.maxSchemaBytes);
  const errors = checkSchema(schema);
  if (errors.length > 0) throw new ApiError("invalid_schema", "Invalid schema.", { errors });
  return answerChange(c, principal, { op: "schema_set", key, schema: text, expect });
});

schemas.get("/schema", async (c) => {
  const principal = await authenticate(c);
  const { key } = readQuery(c.req.url, keyQuery);
  authorize(principal, "read", key);
  const stored = await openStore(c.env).readSchema(principal.namespace, key);
  if (stored === null) throw new ApiError("not_found", "Schema not found.");
  return jsonResponse(`{"key":${JSON.stringify(key)},"schema":${stored.schema},"revision":${stored.revision}}`);
});

schemas.delete("/schema", async (c) => {
  const principal = await authenticate(c);
  const { key, expect } = readQuery(c.req.url, schemaDeletionQuery);
  authorize(principal, "write", key);
  const draft = { op: "schema_delete", key, ...(expect !== undefined && { expect: Number(expect) }) } as const;
  return answerChange(c, principal, draft);
});

/** Applies the operation and answers with its revision, or with 404 where there was nothing to change. */
async function answerChange(c: Context<{ Bindings: Env }>, principal: Principal, draft: Draft): Promise<Response> {
  const { namespace } = principal;
  const write = writeValues(openStore(c.env), namespace, [draft], { idempotency: await readIdempotency(c) });
  const { results } = applyOrConflict(await announced(c, namespace, write), principal, [draft]);
  const [result] = results;
  if (!result?.change) throw new ApiError("not_found", "Schema not found.");
  return jsonResponse(JSON.stringify({ ok: true, revision: result.change.revision }));
}
