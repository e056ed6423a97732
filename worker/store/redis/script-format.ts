// What the scripts take and answer, as text: operations on their way to Redis, outcomes on their way back.

import type { Change } from "../../../sdk/protocol.ts";
import {
  type Applied,
  appliedChanges,
  type EntriesPage,
  type IdReused,
  type LogSlice,
  type Operation,
  type WriteOutcome,
} from "../store.ts";

/** As write.lua answers. */
export type WriteReply =
  | ["applied", string]
  | ["schema_changed", string, string, string | null, string | null]
  | ["id_reused"];

/** As the scripts that read answer. */
export type Reply = (string | null)[];

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
      const [outcome, key, revision, schema, ts] = reply;
      return { outcome, key, schema: schema === null ? null : { schema, ts: seconds(ts), revision: Number(revision) } };
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
    const [revision = 0, previous = 0, ts = 0, watched = 0] = numbers.slice(index * 4, index * 4 + 4);
    if (revision === 0) return null;
    return { revision, previous, ts: ts / 1e6, watched: (watched & 1) !== 0, namespaceWatched: (watched & 2) !== 0 };
  });
  return appliedChanges(operations, { outcome: "applied", results });
}

/** As read-log.lua answers: two flags and a revision, then changes. */
export function parseLog([more, truncated, head, ...changes]: Reply): LogSlice {
  return { changes: parseChanges(changes), more: more === "1", truncated: truncated === "1", head: Number(head) };
}

/** Seven texts for each change. */
function parseChanges(texts: Reply): Change[] {
  return groups(texts, 7).map(([revision, previous, key, event, action, ts, json = null]) => ({
    revision: Number(revision),
    previous: Number(previous),
    key: key as string,
    event: event as Change["event"],
    action: action as Change["action"],
    ts: seconds(ts),
    json,
  }));
}

/** As read-entries.lua answers: a flag, then seven texts for each key. */
export function parseEntries([more, ...keys]: Reply): EntriesPage {
  const entries = groups(keys, 7).map(([key, value, ts, revision, schema, schemaTs, schemaRevision]) => ({
    key: key as string,
    entry: value == null ? null : { value, ts: seconds(ts), revision: Number(revision) },
    schema: schema == null ? null : { schema, ts: seconds(schemaTs), revision: Number(schemaRevision) },
  }));
  return { entries, more: more === "1" };
}

function groups(texts: Reply, size: number): Reply[] {
  return Array.from({ length: texts.length / size }, (_, index) => texts.slice(index * size, (index + 1) * size));
}

/** From microseconds. */
function seconds(us: string | null | undefined): number {
  return Number(us) / 1e6;
}
