// What the scripts take and answer, as text: operations on their way to Redis, outcomes on their way back.

import type { Change } from "../../../sdk/protocol.ts";
import {
  type Applied,
  appliedChanges,
  type IdReused,
  type LogSlice,
  type Operation,
  type WriteOutcome,
} from "../store.ts";

/** As write.lua answers. */
export type WriteReply = ["applied", string] | ["schema_changed", string, string, string | null] | ["id_reused"];

/** The four arguments of an operation of write.lua. */
export function operationArguments(operation: Operation): string[] {
  const { op, key } = operation;
  switch (op) {
    case "set":
      return [op, key, operation.value, String(operation.schemaRevision)];
    case "schema_set":
      return [op, key, operation.schema, ""];
    case "delete":
    case "schema_delete":
      return [op, key, "", ""];
  }
}

export function parseWriteReply(operations: readonly Operation[], reply: WriteReply): WriteOutcome {
  switch (reply[0]) {
    case "applied":
      return parseApplied(operations, reply[1]);
    case "schema_changed": {
      const [outcome, key, revision, schema] = reply;
      return { outcome, key, schema: schema === null ? null : { schema, revision: Number(revision) } };
    }
    case "id_reused":
      return { outcome: "id_reused" };
  }
}

/** An idempotency record: the fingerprint of its request, a space, and what it came to. */
export function parseRecord(operations: readonly Operation[], record: string, fingerprint: string): Applied | IdReused {
  if (!record.startsWith(`${fingerprint} `)) return { outcome: "id_reused" };
  return parseApplied(operations, record.slice(fingerprint.length + 1));
}

/** Four numbers for each operation, all 0 where it had nothing to change. */
function parseApplied(operations: readonly Operation[], text: string): Applied {
  const numbers = text.split(" ").map(Number);
  const results = operations.map((_, index) => {
    const [revision = 0, previous = 0, ts = 0, watched] = numbers.slice(index * 4, index * 4 + 4);
    return revision === 0 ? null : { revision, previous, ts: ts / 1e6, watched: watched === 1 };
  });
  return appliedChanges(operations, { outcome: "applied", results });
}

/** Two flags, and six texts for each change, as read-log.lua answers. */
export function parseLog(key: string, [more, truncated, ...fields]: readonly (string | null)[]): LogSlice {
  const changes: Change[] = [];
  for (let at = 0; at < fields.length; at += 6) {
    const [revision, previous, event, action, ts, json = null] = fields.slice(at, at + 6);
    changes.push({
      revision: Number(revision),
      previous: Number(previous),
      key,
      event: event as Change["event"],
      action: action as Change["action"],
      ts: Number(ts) / 1e6,
      json,
    });
  }
  return { changes, more: more === "1", truncated: truncated === "1" };
}
