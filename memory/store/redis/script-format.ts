// The arguments and replies of the scripts, as text: writes operations for Redis, and reads the outcomes.

import type { Change, Details } from "../../../sdk/protocol.ts";
import {
  type Applied,
  type AppliedVersion,
  appliedChanges,
  type EntriesPage,
  type Entry,
  type IdReused,
  type KeysPage,
  type LogSlice,
  type ManyRead,
  type Operation,
  type StoredSchema,
  type Unchanged,
  type Watch,
  type WriteOutcome,
} from "../store.ts";

/** The reply of write.lua. */
export type WriteReply =
  | ["applied", string, ...string[]]
  | ["conflict", string, string, ...Reply]
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
      const [outcome, operation, revision, text, ts, ...rest] = reply;
      // An expired value is still stored, but it is not current.
      if (text == null || revision === "0") return { outcome, operation: Number(operation), current: null };
      const current = { text, ts: seconds(ts), revision: Number(revision), ...details(rest) };
      return { outcome, operation: Number(operation), current };
    }
    case "ts_ahead":
      return { outcome: reply[0], operation: Number(reply[1]) };
    case "schema_changed": {
      const [outcome, ...schemas] = reply;
      return {
        outcome,
        schemas: groups(schemas, 5).map(([key, revision = null, schema = null, ts = null, agent = null]) => ({
          key: key as string,
          schema: parseSchema([schema, ts, revision, agent]),
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

/**
 * Reads four numbers for each operation, then two for each, then the name of the writer, which may have spaces. The first
 * number is 0 if the operation had nothing to change. In a record of an earlier memX the four numbers are all.
 */
function parseApplied(operations: readonly Operation[], text: string, kept?: string): Applied {
  const [words, count] = [text.split(" "), operations.length];
  const times = groups(words.slice(4 * count, 6 * count), 2);
  const results = groups(words.slice(0, 4 * count), 4).map((numbers, index): AppliedVersion | Unchanged => {
    const [revision = 0, previous = 0, us = 0, watched = 0] = numbers.map(Number);
    if (revision === 0) return { change: null, revision: previous, ts: us / 1e6 };
    const version = { revision, previous, ts: us / 1e6, ...details(times[index] ?? []) };
    return { ...version, watched: (watched & 1) !== 0, namespaceWatched: (watched & 2) !== 0 };
  });
  const by = words.slice(6 * count).join(" ") || undefined;
  return appliedChanges(operations, { outcome: "applied", results, by, text: kept || undefined });
}

/** Reads the reply of watch.lua. */
export function parseWatch([head, expiresInMs]: Reply): Watch {
  return { head: Number(head), expiresInMs: expiresInMs ? Number(expiresInMs) : null };
}

/** Reads the reply of read-log.lua: two flags and a revision, then changes. */
export function parseLog([more, truncated, head, ...changes]: Reply): LogSlice {
  return { changes: parseChanges(changes), more: more === "1", truncated: truncated === "1", head: Number(head) };
}

/** Reads ten texts for each change. */
function parseChanges(texts: Reply): Change[] {
  return groups(texts, 10).map(([revision, previous, key, event, action, ts, json = null, ...rest]) => ({
    revision: Number(revision),
    previous: Number(previous),
    key: key as string,
    event: event as Change["event"],
    action: action as Change["action"],
    ts: seconds(ts),
    json,
    ...details(rest),
  }));
}

/** Reads the reply of read-entry.lua. */
export function parseEntry([value, ts, revision, ...rest]: Reply): Entry | null {
  return value == null ? null : { value, ts: seconds(ts), revision: Number(revision), ...details(rest) };
}

/** Reads the reply of read-many.lua: a revision, then six texts for each key. */
export function parseMany([head, ...entries]: Reply): ManyRead {
  if (head === "too_large") return { outcome: "too_large" };
  return { outcome: "read", entries: groups(entries, 6).map(parseEntry), head: Number(head) };
}

/** Reads the reply of read-schema.lua. */
export function parseSchema([schema, ts, revision, agent]: Reply): StoredSchema | null {
  return schema == null ? null : { schema, ts: seconds(ts), revision: Number(revision), ...(agent && { by: agent }) };
}

/** Reads the reply of read-entries.lua: a flag, then eleven texts for each key. */
export function parseEntries([more, ...keys]: Reply): EntriesPage {
  const entries = groups(keys, 11).map(([key, ...texts]) => ({
    key: key as string,
    entry: parseEntry(texts.slice(0, 6)),
    schema: parseSchema(texts.slice(6)),
  }));
  return { entries, more: more === "1" };
}

/** Reads the reply of read-keys.lua: where the next page starts, then seven texts for each key. */
export function parseKeys([next, ...keys]: Reply): KeysPage {
  return {
    next: next || null,
    keys: groups(keys, 7).map(([key, ts, revision, value = null, ...rest]) => ({
      key: key as string,
      ts: seconds(ts),
      revision: Number(revision),
      value,
      ...details(rest),
    })),
  };
}

function groups(texts: Reply, size: number): Reply[] {
  return Array.from({ length: texts.length / size }, (_, index) => texts.slice(index * size, (index + 1) * size));
}

/** Reads when a value was created and when it expires, and the name of its writer. Each may be missing, 0 or empty. */
function details([created, expires, agent]: Reply): Details {
  return {
    ...(Number(created) > 0 && { created: seconds(created) }),
    ...(Number(expires) > 0 && { expires: seconds(expires) }),
    ...(agent && { by: agent }),
  };
}

/** Seconds to microseconds. */
function us(seconds: number): string {
  return String(Math.round(seconds * 1e6));
}

/** Microseconds to seconds. */
function seconds(us: string | null | undefined): number {
  return Number(us) / 1e6;
}
