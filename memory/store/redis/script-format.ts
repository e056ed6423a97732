// What the scripts take and answer, as text: operations on their way to Redis, outcomes on their way back.

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

/** As write.lua answers. */
export type WriteReply =
  | ["applied", string, ...string[]]
  | ["conflict", string, string, string | null, string | null]
  | ["ts_ahead", string]
  | ["schema_changed", ...(string | null)[]]
  | ["quota_exceeded", "keys" | "bytes"]
  | ["id_reused"];

/** As the scripts that read answer. */
export type Reply = (string | null)[];

/** The seven arguments of an operation of write.lua. */
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
      // A value whose time is over is still there, and yet not held.
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

/**
 * An idempotency record: the fingerprint of its request, a space, and what it came to; on another line the text that it
 * keeps.
 */
export function parseRecord(operations: readonly Operation[], record: string, fingerprint: string): Applied | IdReused {
  if (!record.startsWith(`${fingerprint} `)) return { outcome: "id_reused" };
  const [results = "", ...text] = record.slice(fingerprint.length + 1).split("\n");
  return parseApplied(operations, results, text.join("\n"));
}

/** Four numbers for each operation; the first is 0 where it had nothing to change. */
function parseApplied(operations: readonly Operation[], text: string, kept?: string): Applied {
  const results = groups(text.split(" "), 4).map((numbers): AppliedVersion | Unchanged => {
    const [revision = 0, previous = 0, us = 0, watched = 0] = numbers.map(Number);
    if (revision === 0) return { change: null, revision: previous, ts: us / 1e6 };
    return { revision, previous, ts: us / 1e6, watched: (watched & 1) !== 0, namespaceWatched: (watched & 2) !== 0 };
  });
  return appliedChanges(operations, { outcome: "applied", results, text: kept || undefined });
}

/** As watch.lua answers. */
export function parseWatch([head, expiresInMs]: Reply): Watch {
  return { head: Number(head), expiresInMs: expiresInMs ? Number(expiresInMs) : null };
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

/** As read-keys.lua answers: where to go on, then four texts for each key. */
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

/** In microseconds. */
function us(seconds: number): string {
  return String(Math.round(seconds * 1e6));
}

/** From microseconds. */
function seconds(us: string | null | undefined): number {
  return Number(us) / 1e6;
}
