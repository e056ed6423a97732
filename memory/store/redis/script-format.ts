// The arguments and replies of the scripts, as text: writes operations for Redis, and reads the outcomes.

import type { Change } from "../../../sdk/protocol.ts";
import {
  type Applied,
  type AppliedVersion,
  appliedChanges,
  type EntriesPage,
  type IdReused,
  type KeysPage,
  type LogSlice,
  type Operation,
  type Unchanged,
  type Watch,
  type WriteOutcome,
} from "../store.ts";

/** The reply of write.lua. */
export type WriteReply =
  | ["applied", string, ...string[]]
  | ["conflict", string, string, string | null, string | null]
  | ["ts_ahead", string]
  | ["schema_changed", ...(string | null)[]]
  | ["quota_exceeded", "keys" | "bytes"]
  | ["id_reused"];

/** The reply of a script that reads. */
export type Reply = (string | null)[];

/** The seven arguments of write.lua for one operation. */
export function operationArguments(operation: Operation): string[] {
  const { op, key, expect = "" } = operation;
  switch (op) {
    case "set": {
      const { value, schemaRevision, ts, ttl = "" } = operation;
      const times = [ts === undefined ? "" : us(ts), typeof ttl === "number" ? us(ttl) : ttl];
      return [op, key, value, String(schemaRevision), String(expect), ...times];
    }
    case "schema_set":
      return [op, key, operation.schema, "", String(expect), "", ""];
    case "delete":
    case "check":
    case "schema_delete":
      return [op, key, "", "", String(expect), "", ""];
  }
}

export function parseWriteReply(operations: readonly Operation[], reply: WriteReply): WriteOutcome {
  switch (reply[0]) {
    case "applied":
      return parseApplied(operations, reply[1], reply[2]);
    case "conflict": {
      const [outcome, operation, revision, text, ts] = reply;
      // An expired value is still stored, but it is not current.
      const current = text === null || revision === "0" ? null : { text, ts: seconds(ts), revision: Number(revision) };
      return { outcome, operation: Number(operation), current };
    }
    case "ts_ahead":
      return { outcome: reply[0], operation: Number(reply[1]) };
    case "schema_changed": {
      const [outcome, ...schemas] = reply;
      return {
        outcome,
        schemas: groups(schemas, 4).map(([key, revision, schema, ts]) => ({
          key: key as string,
          schema: schema == null ? null : { schema, ts: seconds(ts), revision: Number(revision) },
        })),
      };
    }
    case "quota_exceeded":
      return { outcome: reply[0], of: reply[1] };
    case "id_reused":
      return { outcome: "id_reused" };
  }
}

/** Reads an idempotency record: the request's fingerprint, a space and the results; on the next line, the kept text. */
export function parseRecord(operations: readonly Operation[], record: string, fingerprint: string): Applied | IdReused {
  if (!record.startsWith(`${fingerprint} `)) return { outcome: "id_reused" };
  const [results = "", ...text] = record.slice(fingerprint.length + 1).split("\n");
  return parseApplied(operations, results, text.join("\n"));
}

/** Reads four numbers for each operation; the first is 0 if the operation had nothing to change. */
function parseApplied(operations: readonly Operation[], text: string, kept?: string): Applied {
  const results = groups(text.split(" "), 4).map((numbers): AppliedVersion | Unchanged => {
    const [revision = 0, previous = 0, us = 0, watched = 0] = numbers.map(Number);
    if (revision === 0) return { change: null, revision: previous, ts: us / 1e6 };
    return { revision, previous, ts: us / 1e6, watched: (watched & 1) !== 0, namespaceWatched: (watched & 2) !== 0 };
  });
  return appliedChanges(operations, { outcome: "applied", results, text: kept || undefined });
}

/** Reads the reply of watch.lua. */
export function parseWatch([head, expiresInMs]: Reply): Watch {
  return { head: Number(head), expiresInMs: expiresInMs ? Number(expiresInMs) : null };
}

/** Reads the reply of read-log.lua: two flags and a revision, then changes. */
export function parseLog([more, truncated, head, ...changes]: Reply): LogSlice {
  return { changes: parseChanges(changes), more: more === "1", truncated: truncated === "1", head: Number(head) };
}

/** Reads seven texts for each change. */
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

/** Reads the reply of read-entries.lua: a flag, then seven texts for each key. */
export function parseEntries([more, ...keys]: Reply): EntriesPage {
  const entries = groups(keys, 7).map(([key, value, ts, revision, schema, schemaTs, schemaRevision]) => ({
    key: key as string,
    entry: value == null ? null : { value, ts: seconds(ts), revision: Number(revision) },
    schema: schema == null ? null : { schema, ts: seconds(schemaTs), revision: Number(schemaRevision) },
  }));
  return { entries, more: more === "1" };
}

/** Reads the reply of read-keys.lua: where the next page starts, then four texts for each key. */
export function parseKeys([next, ...keys]: Reply): KeysPage {
  return {
    next: next || null,
    keys: groups(keys, 4).map(([key, ts, revision, value = null]) => ({
      key: key as string,
      ts: seconds(ts),
      revision: Number(revision),
      value,
    })),
  };
}

function groups(texts: Reply, size: number): Reply[] {
  return Array.from({ length: texts.length / size }, (_, index) => texts.slice(index * size, (index + 1) * size));
}

/** Seconds to microseconds. */
function us(seconds: number): string {
  return String(Math.round(seconds * 1e6));
}

/** Microseconds to seconds. */
function seconds(us: string | null | undefined): number {
  return Number(us) / 1e6;
}
