// The arguments and replies of the scripts, as text: writes operations for Redis, and reads the outcomes.

import type { Change, Details } from "../../../sdk/protocol.ts";
import { entryRead } from "../entry-read.ts";
import {
  type Applied,
  type AppliedVersion,
  appliedChanges,
  type Entry,
  type EntryRead,
  type IdReused,
  type KeysPage,
  type LogScan,
  type LogSlice,
  type ManyRead,
  type NamesPage,
  type Operation,
  type SchemaRead,
  type StoredKey,
  type StoredSchema,
  type Unchanged,
  type ValueGone,
  type Watch,
  type WriteOutcome,
} from "../store.ts";

/** The reply of write.lua. */
export type WriteReply =
  | ["applied", string, ...(string | null)[]]
  | ["conflict", string, string, string, ...Reply]
  | ["ts_ahead", string]
  | ["schema_changed", ...(string | null)[]]
  | ["quota_exceeded", "keys" | "bytes"]
  | ["id_reused"]
  | ["value_gone", string];

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
      return parseApplied(operations, reply[1], reply[2], reply[3], reply[4]);
    case "conflict": {
      const [outcome, operation, revision, head, text, ts, ...rest] = reply;
      const refused = { outcome, operation: Number(operation), head: Number(head) };
      // An expired value is still stored, but it is not current.
      if (text == null || revision === "0") return { ...refused, current: null };
      return { ...refused, current: { text, ts: seconds(ts), revision: Number(revision), ...details(rest) } };
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
    case "value_gone":
      return { outcome: "value_gone", revision: Number(reply[1]) };
  }
}

/** Reads an idempotency record: the request's fingerprint, a space and the results. */
export function parseRecord(
  operations: readonly Operation[],
  record: string,
  {
    fingerprint,
    needsText,
    text,
  }: { fingerprint: string; needsText?: boolean | undefined; text?: string | null | undefined },
): Applied | IdReused | ValueGone {
  if (!record.startsWith(`${fingerprint} `)) return { outcome: "id_reused" };
  // In a record of an earlier memX the text itself is on the next line.
  const [results = "", ...lines] = record.slice(fingerprint.length + 1).split("\n");
  const known = lines.join("\n") || text || undefined;
  const revision = Number.parseInt(results, 10);
  if (needsText && known === undefined && revision > 0) return { outcome: "value_gone", revision };
  return parseApplied(operations, results, known);
}

/**
 * Reads four numbers for each operation, then two for each, then the name of the writer, which may have spaces. The first
 * number is 0 if the operation had nothing to change. In a record of an earlier memX the four numbers are all.
 */
function parseApplied(
  operations: readonly Operation[],
  text: string,
  kept?: string | null,
  gaplessSince?: string | null,
  head?: string | null,
): Applied {
  const [words, count] = [text.split(" "), operations.length];
  const times = groups(words.slice(4 * count, 6 * count), 2);
  const results = groups(words.slice(0, 4 * count), 4).map((numbers, index): AppliedVersion | Unchanged => {
    const [revision = 0, previous = 0, us = 0, watched = 0] = numbers.map(Number);
    if (revision === 0) return { change: null, revision: previous, ts: us / 1e6 };
    const version = { revision, previous, ts: us / 1e6, ...details(times[index] ?? []) };
    return { ...version, watched: (watched & 1) !== 0, namespaceWatched: (watched & 2) !== 0 };
  });
  const by = words.slice(6 * count).join(" ") || undefined;
  return appliedChanges(operations, {
    outcome: "applied",
    results,
    by,
    text: kept || undefined,
    ...(gaplessSince && { gaplessSince: Number(gaplessSince) }),
    ...(head && { head: Number(head) }),
  });
}

/** Reads the reply of watch.lua. */
export function parseWatch([head, expiresInMs]: Reply): Watch {
  return { head: Number(head), expiresInMs: expiresInMs ? Number(expiresInMs) : null };
}

/** Reads the reply of read-log.lua: two flags and a revision, then changes. */
export function parseLog([more, truncated, head, ...changes]: Reply): LogSlice {
  return {
    changes: groups(changes, 10).map(parseChange),
    more: more === "1",
    truncated: truncated === "1",
    head: Number(head),
  };
}

/** Reads the reply of read-changes.lua: ten texts for each change, the first of them nil for one that is gone. */
export function parseChanges(texts: Reply): (Change | null)[] {
  return groups(texts, 10).map((change) => (change[0] == null ? null : parseChange(change)));
}

/** Reads the reply of scan-log.lua: two flags and a revision, then three texts for each change. */
export function parseScan([more, truncated, head, ...changes]: Reply): LogScan {
  return {
    changes: groups(changes, 3).map(([revision, key, event]) => ({
      revision: Number(revision),
      key: key as string,
      event: event as Change["event"],
    })),
    more: more === "1",
    truncated: truncated === "1",
    head: Number(head),
  };
}

/** Reads the ten texts of a change. */
export function parseChange([revision, previous, key, event, action, ts, json = null, ...rest]: Reply): Change {
  return {
    revision: Number(revision),
    previous: Number(previous),
    key: key as string,
    event: event as Change["event"],
    action: action as Change["action"],
    ts: seconds(ts),
    json,
    ...details(rest),
  };
}

/** Reads the reply of read-entry.lua: a revision, then six texts. */
export function parseEntryRead([head, ...entry]: Reply): EntryRead {
  return entryRead(parseEntry(entry), Number(head));
}

/** Reads the reply of read-schema.lua: a revision, then four texts. */
export function parseSchemaRead([head, ...schema]: Reply): SchemaRead {
  return { schema: parseSchema(schema), head: Number(head) };
}

/** Reads the six texts of an entry. */
function parseEntry([value, ts, revision, ...rest]: Reply): Entry | null {
  return value == null ? null : { value, ts: seconds(ts), revision: Number(revision), ...details(rest) };
}

/** Reads the reply of read-many.lua: a revision, then six texts for each key. */
export function parseMany([head, ...entries]: Reply): ManyRead {
  if (head === "too_large") return { outcome: "too_large" };
  return { outcome: "read", entries: groups(entries, 6).map(parseEntry), head: Number(head) };
}

/** Reads the four texts of a schema. */
function parseSchema([schema, ts, revision, agent]: Reply): StoredSchema | null {
  return schema == null ? null : { schema, ts: seconds(ts), revision: Number(revision), ...(agent && { by: agent }) };
}

/** Reads the reply of read-names.lua: where the next page starts, then three texts for each key. */
export function parseNames([next, ...names]: Reply): NamesPage {
  return {
    next: next || null,
    names: groups(names, 3).map(([key, valueRevision, schemaRevision]) => ({
      key: key as string,
      valueRevision: Number(valueRevision),
      schemaRevision: Number(schemaRevision),
    })),
  };
}

/** Reads the reply of read-entries.lua: a revision, then ten texts for each of the first keys. */
export function parseEntries(
  keys: readonly string[],
  [head, ...reply]: Reply,
): { readonly stored: StoredKey[]; readonly head: number } {
  const stored = groups(reply, 10).map((texts, index) => ({
    key: keys[index] as string,
    entry: parseEntry(texts.slice(0, 6)),
    schema: parseSchema(texts.slice(6)),
  }));
  return { stored, head: Number(head) };
}

/** Reads the reply of read-keys.lua: where the next page starts, a revision, then seven texts for each key. */
export function parseKeys([next, head, ...keys]: Reply): KeysPage {
  return {
    next: next || null,
    keys: groups(keys, 7).map(([key, ts, revision, value = null, ...rest]) => ({
      key: key as string,
      ts: seconds(ts),
      revision: Number(revision),
      value,
      ...details(rest),
    })),
    head: Number(head),
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
