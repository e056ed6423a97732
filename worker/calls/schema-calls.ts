// Calls about schemas: one JSON Schema per key, which every later write of the key's value must match.

import { LIMITS } from "../../config/limits.ts";
import { authorize } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { WorkExceeded, WorkMeter } from "../../memory/schemas/work-meter.ts";
import type { Idempotency } from "../../memory/store/store.ts";
import { type Committer, commit } from "../../memory/writes/commit.ts";
import type { Draft } from "../../memory/writes/write-values.ts";
import { encodeDetails, type FieldError } from "../../sdk/protocol.ts";
import type { OPERATIONS } from "../request/operations.ts";
import { limitText } from "../request/read-request.ts";
import type { CallResult, Passed, ReadCall, WriteCall } from "./call.ts";

export const setSchemaCall: WriteCall<Passed<typeof OPERATIONS.setSchema>> = async (
  writer,
  { body, members },
  idempotency,
) => {
  const { key, schema, expect } = body;
  // Before the schema is checked, which is work.
  authorize(writer.caller, "write", key);
  const text = limitText(members, "schema", LIMITS.maxSchemaBytes);
  const errors = check(schema);
  if (errors.length > 0) throw new ApiError("invalid_schema", "Invalid schema.", { errors });
  return commitSchema(writer, { op: "schema_set", key, schema: text, expect }, idempotency);
};

/** On half the steps of a request, so that a write that compiles the schema can also check a value. */
function check(schema: unknown): readonly FieldError[] {
  const meter = new WorkMeter(LIMITS.maxWorkSteps / 2);
  meter.begin();
  try {
    return checkSchema(schema, meter);
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    throw new ApiError("too_complex", "The schema takes too many steps to check and compile. Make it simpler.");
  }
}

export const getSchemaCall: ReadCall<Passed<typeof OPERATIONS.getSchema>> = async ({ caller, store }, { key }) => {
  authorize(caller, "read", key);
  const { schema: stored, head } = await store.readSchema(caller.namespace, key);
  if (stored === null) throw notFound(head);
  const { schema, revision, by } = stored;
  const text = `{"key":${JSON.stringify(key)},"schema":${schema},"revision":${revision}${encodeDetails({ by })}}`;
  return { text, revision: head };
};

export const deleteSchemaCall: WriteCall<Passed<typeof OPERATIONS.deleteSchema>> = (writer, { body }, idempotency) => {
  const { key, expect } = body;
  const draft = { op: "schema_delete", key, ...(expect !== undefined && { expect: Number(expect) }) } as const;
  return commitSchema(writer, draft, idempotency);
};

/** @throws {ApiError} `not_found` if there was nothing to change, and as `commit` */
async function commitSchema(
  writer: Committer,
  draft: Draft,
  idempotency: Idempotency | undefined,
): Promise<CallResult> {
  const { results, revision } = await commit(writer, [draft], { idempotency });
  const [result] = results;
  if (!result?.change) throw notFound(revision);
  return { text: JSON.stringify({ ok: true, revision: result.change.revision }), revision };
}

function notFound(revision: number): ApiError {
  return new ApiError("not_found", "Schema not found.", { revision });
}
