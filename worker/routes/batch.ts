// Batches: several operations as one, all of them or none.

import { Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authorize } from "../../memory/access/principal.ts";
import { announced } from "../../memory/channels/publish.ts";
import { outline } from "../../memory/json-text.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { applyOrConflict } from "../../memory/writes/commit.ts";
import { type Draft, writeValues } from "../../memory/writes/write-values.ts";
import type { FieldError, JsonText } from "../../sdk/protocol.ts";
import { authenticate } from "../request/authenticate.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { invalid, keyError, limitText, readBody } from "../request/read-request.ts";
import { BATCH_FIELDS, batchRequest } from "../request/shapes.ts";
import { jsonResponse } from "../response/json.ts";
import { checked, deleted, written } from "../response/written.ts";

export const batch = new Hono<{ Bindings: Env }>();

type Requested = NonNullable<(typeof batchRequest)["passed"]>["operations"][number];

const TELL = { set: written, delete: deleted, check: checked } as const;

batch.post("/batch", async (c) => {
  const principal = await authenticate(c);
  const { body, members } = await readBody(c, batchRequest);
  const { operations } = body;
  const errors = operations.flatMap(fieldErrors);
  if (errors.length > 0) throw invalid("body", errors);
  // A check writes nothing, and tells what the key holds.
  for (const { op, key } of operations) authorize(principal, op === "check" ? "read" : "write", key);
  const texts = outline(members.get("operations") as JsonText).items;
  const drafts = operations.map((operation, index) => toDraft(operation, texts[index] as JsonText));
  const idempotency = await readIdempotency(c);
  const pathOf = (operation: number) => `/operations/${operation}`;
  const write = writeValues(openStore(c.env), principal.namespace, drafts, { idempotency, pathOf });
  const { results } = applyOrConflict(await announced(c, principal.namespace, write), principal, operations, pathOf);
  return jsonResponse(
    JSON.stringify({ ok: true, results: operations.map(({ op }, index) => TELL[op](results[index])) }),
  );
});

/** What is wrong with an operation for what it is. */
function fieldErrors(operation: Requested, index: number): FieldError[] {
  const path = `/operations/${index}`;
  const { takes, needs } = BATCH_FIELDS[operation.op];
  const fields = Object.keys(operation).filter((field) => field !== "op" && field !== "key");
  const errors = fields
    .filter((field) => !(takes as readonly string[]).includes(field))
    .map((field) => ({
      path: `${path}/${field}`,
      message: `A ${operation.op} takes op, key, ${takes.join(", ")}, and no other field.`,
    }));
  if (needs && !Object.hasOwn(operation, needs)) {
    errors.push({ path: `${path}/${needs}`, message: `A ${operation.op} needs it.` });
  }
  const tooLong = keyError(operation.key, `${path}/key`);
  return tooLong ? [...errors, tooLong] : errors;
}

function toDraft({ op, key, value: parsed, ts, expect, ttl }: Requested, text: JsonText): Draft {
  if (op !== "set") return { op, key, expect };
  const value = limitText(outline(text).members, "value", LIMITS.maxValueBytes);
  return { op, key, value, parsed, ts, expect, ttl };
}
