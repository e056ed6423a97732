// Bulks: many independent writes in one request. Each has its own outcome, exactly as if it had come alone.

import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import { outline } from "../../memory/json-text.ts";
import { WorkMeter } from "../../memory/schemas/work-meter.ts";
import type { Idempotency } from "../../memory/store/store.ts";
import { beginWork, WRITE_STEPS } from "../../memory/work-share.ts";
import type { Committer } from "../../memory/writes/commit.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { OPERATIONS } from "../request/operations.ts";
import { checked, requireDepth } from "../request/read-request.ts";
import { answerOf, encodeAnswer } from "./answer.ts";
import type { CallResult, Passed, WriteCall } from "./call.ts";
import { Gate } from "./gate.ts";
import { KeyOrder } from "./key-order.ts";
import { deleteCall, patchCall, setCall } from "./value-calls.ts";

type Requested = Passed<typeof OPERATIONS.bulk>["operations"][number];

/** Operations at a time whose answers may have a value. */
const MAX_LARGE = 32;

/** The operations with the same key are applied in their order. All others share requests to the store. */
export const bulkCall: WriteCall<Passed<typeof OPERATIONS.bulk>> = async (writer, { body, members }, idempotency) => {
  const { operations } = body;
  beginWork(operations.length * WRITE_STEPS);
  const texts = outline(members.get("operations") as JsonText).items;
  const committer = { ...writer, meter: new WorkMeter() };
  const order = new KeyOrder();
  const large = new Gate(MAX_LARGE);
  let chars = 0;
  let revision = 0;
  const results = operations.map(async (operation, index) => {
    const turn = order.enter([operation.key], "write");
    const run = async () => {
      if (chars > LIMITS.maxReadBytes) throw noRoom();
      const id = idempotency && { ...idempotency, id: `${idempotency.id}.${index}` };
      return runOperation(committer, operation, texts[index] as JsonText, id);
    };
    // Counted before the gate lets the next operation begin.
    const counted = async () => {
      const answer = await answerOf(run);
      chars += answer.text.length;
      revision = Math.max(revision, answer.revision ?? 0);
      return answer;
    };
    await turn.ready;
    const answer = await (mayHaveValue(operation) ? large.run(counted) : counted());
    turn.leave();
    return `{${encodeAnswer(answer)}}`;
  });
  const text = `{"results":[${(await Promise.all(results)).join(",")}]}`;
  return { text, revision };
};

function runOperation(
  writer: Committer,
  { op, ...fields }: Requested,
  text: JsonText,
  idempotency: Idempotency | undefined,
): Promise<CallResult> {
  const { members, depth } = outline(text);
  members.delete("op");
  requireDepth(depth, OPERATIONS[op]);
  switch (op) {
    case "set":
      return setCall(writer, { body: checked(OPERATIONS.set.request, fields, "body"), members }, idempotency);
    case "delete":
      return deleteCall(writer, { body: checked(OPERATIONS.delete.request, fields, "body"), members }, idempotency);
    case "patch":
      return patchCall(writer, { body: checked(OPERATIONS.patch.request, fields, "body"), members }, idempotency);
  }
}

/** A patch returns the value, and a conflict with `expect` the current one. */
function mayHaveValue(operation: Requested): boolean {
  return operation.op === "patch" || "expect" in operation;
}

function noRoom(): ApiError {
  const detail = "The answers to earlier operations fill the response, so this one was not run. Send it again.";
  return new ApiError("too_large", detail);
}
