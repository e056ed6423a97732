// Batches: several operations as one, all of them or none.

import { LIMITS } from "../../config/limits.ts";
import { outline } from "../../memory/json-text.ts";
import { beginWork, WRITE_STEPS } from "../../memory/work-share.ts";
import { commit } from "../../memory/writes/commit.ts";
import type { Draft } from "../../memory/writes/write-values.ts";
import type { FieldError, JsonText } from "../../sdk/protocol.ts";
import { BATCH_FIELDS, type OPERATIONS } from "../request/operations.ts";
import { invalid, keyError, limitText } from "../request/read-request.ts";
import { checkFields, deleteFields, setFields } from "../response/json.ts";
import type { Passed, WriteCall } from "./call.ts";

type Requested = Passed<typeof OPERATIONS.batch>["operations"][number];

const FIELDS = { set: setFields, delete: deleteFields, check: checkFields } as const;

export const batchCall: WriteCall<Passed<typeof OPERATIONS.batch>> = async (writer, { body, members }, idempotency) => {
  const { operations } = body;
  const errors = operations.flatMap(fieldErrors);
  if (errors.length > 0) throw invalid("body", errors);
  if (operations.length > 1) beginWork(operations.length * WRITE_STEPS);
  const texts = outline(members.get("operations") as JsonText).items;
  const drafts = operations.map((operation, index) => toDraft(operation, texts[index] as JsonText));
  const { results, revision } = await commit(writer, drafts, {
    idempotency,
    pathOf: (operation) => `/operations/${operation}`,
  });
  const fields = operations.map(({ op }, index) => FIELDS[op](results[index]));
  return { text: JSON.stringify({ ok: true, results: fields }), revision };
};

/** Fields that this kind of operation does not take, or lacks. */
function fieldErrors(operation: Requested, index: number): FieldError[] {
  const path = `/operations/${index}`;
  const { takes, needs } = BATCH_FIELDS[operation.op];
  const fields = Object.keys(operation).filter((field) => field !== "op" && field !== "key");
  const errors = fields
    .filter((field) => !(takes as readonly string[]).includes(field))
    .map((field) => ({
      path: `${path}/${field}`,
      message: `Unknown field. A ${operation.op} takes only op, key, ${takes.join(", ")}.`,
    }));
  if (needs && !Object.hasOwn(operation, needs)) {
    errors.push({ path: `${path}/${needs}`, message: `Required for a ${operation.op}.` });
  }
  const tooLong = keyError(operation.key, `${path}/key`);
  return tooLong ? [...errors, tooLong] : errors;
}

function toDraft({ op, key, value: parsed, ts, expect, ttl }: Requested, text: JsonText): Draft {
  if (op !== "set") return { op, key, expect };
  const value = limitText(outline(text).members, "value", LIMITS.maxValueBytes);
  return { op, key, value, parsed, ts, expect, ttl };
}
