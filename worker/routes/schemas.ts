// Schemas: one JSON Schema per key, which every later write of the key's value must match.

import { Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authorize } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { commit } from "../../memory/writes/commit.ts";
import type { Draft } from "../../memory/writes/write-values.ts";
import { encodeDetails } from "../../sdk/protocol.ts";
import { type AppContext, type AppEnv, committer } from "../app-env.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { OPERATIONS } from "../request/operations.ts";
import { limitText, readBody, readQuery } from "../request/read-request.ts";
import { jsonResponse } from "../response/json.ts";

export const schemas = new Hono<AppEnv>();

schemas.post("/schema", async (c) => {
  const { body, members } = await readBody(c, OPERATIONS.setSchema.request);
  const { key, schema, expect } = body;
  // Before the schema is checked, which is work.
  authorize(c.var.caller, "write", key);
  const text = limitText(members, "schema", LIMITS.maxSchemaBytes);
  const errors = checkSchema(schema);
  if (errors.length > 0) throw new ApiError("invalid_schema", "Invalid schema.", { errors });
  return commitSchema(c, { op: "schema_set", key, schema: text, expect });
});

schemas.get("/schema", async (c) => {
  const { key } = readQuery(c.req.url, OPERATIONS.getSchema.request);
  authorize(c.var.caller, "read", key);
  const stored = await openStore(c.env).readSchema(c.var.caller.namespace, key);
  if (stored === null) throw new ApiError("not_found", "Schema not found.");
  const { schema, revision, by } = stored;
  const details = encodeDetails({ by });
  return jsonResponse(`{"key":${JSON.stringify(key)},"schema":${schema},"revision":${revision}${details}}`);
});

schemas.delete("/schema", async (c) => {
  const { key, expect } = readQuery(c.req.url, OPERATIONS.deleteSchema.request);
  const draft = { op: "schema_delete", key, ...(expect !== undefined && { expect: Number(expect) }) } as const;
  return commitSchema(c, draft);
});

/** @throws {ApiError} `not_found` if there was nothing to change, and as `commit` */
async function commitSchema(c: AppContext, draft: Draft): Promise<Response> {
  const [result] = await commit(committer(c), [draft], { idempotency: await readIdempotency(c) });
  if (!result?.change) throw new ApiError("not_found", "Schema not found.");
  return jsonResponse(JSON.stringify({ ok: true, revision: result.change.revision }));
}
