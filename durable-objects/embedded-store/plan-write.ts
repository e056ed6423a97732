// Plans a write before any of it is applied: whether its conditions hold, and what each operation will change. It works
// on rows and a time, and touches no table.

import { LIMITS } from "../../config/limits.ts";
import { utf8Length } from "../../memory/json-text.ts";
import type { Operation } from "../../memory/store/store.ts";
import type { CurrentRow, Row } from "./row.ts";

/** Whether the operation is about the key's schema, not its value. */
export function isOfSchema({ op }: Operation): boolean {
  return op === "schema_set" || op === "schema_delete";
}

/** The revision of the key's current value, or of its current schema if the operation is about the schema. */
export function currentRevision(operation: Operation, row: Row): number {
  return isOfSchema(operation) ? row.schema_revision : row.value_revision;
}

/** The first operation that must not be applied, if there is one. */
export function findRefused(
  operations: readonly Operation[],
  rowOf: (key: string) => CurrentRow,
  nowUs: number,
): { readonly outcome: "conflict" | "ts_ahead"; readonly operation: number } | undefined {
  for (const [index, operation] of operations.entries()) {
    const { expect } = operation;
    if (expect !== undefined && expect !== currentRevision(operation, rowOf(operation.key))) {
      return { outcome: "conflict", operation: index };
    }
    if (operation.op === "set" && callersUs(operation) > nowUs + LIMITS.maxTsAheadSeconds * 1e6) {
      return { outcome: "ts_ahead", operation: index };
    }
  }
  return undefined;
}

/** The keys whose current schema is not the one that their new value was checked against. */
export function findStaleSchemas(
  operations: readonly Operation[],
  rowOf: (key: string) => CurrentRow,
): ReadonlySet<string> {
  const stale = operations.filter(
    (operation) => operation.op === "set" && operation.schemaRevision !== rowOf(operation.key).schema_revision,
  );
  return new Set(stale.map(({ key }) => key));
}

export type Plan = {
  /** For each operation the time of its change, or `null` if it changes nothing. */
  readonly timesUs: readonly (number | null)[];
  /** By how much the namespace will grow. */
  readonly moreKeys: number;
  readonly moreBytes: number;
};

export function planWrite(operations: readonly Operation[], rowOf: (key: string) => CurrentRow, nowUs: number): Plan {
  const rows = new Map<string, PlannedRow>(
    operations.map(({ key }) => [key, { ...rowOf(key), holds: rowOf(key).value_revision > 0 }]),
  );
  const before = [...rows.values()].map(measure);
  const timesUs = operations.map((operation) => plan(operation, rows, nowUs));
  const after = [...rows.values()].map(measure);
  const sum = (of: "keys" | "bytes") =>
    after.reduce((total, size, index) => total + size[of] - (before[index]?.[of] ?? 0), 0);
  return { timesUs, moreKeys: sum("keys"), moreBytes: sum("bytes") };
}

/** The row as the earlier operations will leave it. */
type PlannedRow = CurrentRow & { readonly holds: boolean };

/** Returns the time of the operation's change, or `null` if it changes nothing. */
function plan(operation: Operation, rows: Map<string, PlannedRow>, nowUs: number): number | null {
  const row = rows.get(operation.key) as PlannedRow;
  const update = (changes: Partial<PlannedRow>) => void rows.set(operation.key, { ...row, ...changes });
  // The time of a value always advances, even if the clock does not. Of times that callers give, the later one wins.
  const nextUs = Math.max(nowUs, row.ts_us + 1);
  switch (operation.op) {
    case "set": {
      const atUs = operation.ts === undefined ? nextUs : callersUs(operation);
      if (atUs <= row.ts_us) return null;
      update({ holds: true, over: false, ts_us: atUs, value_bytes: utf8Length(operation.value) });
      return atUs;
    }
    case "delete":
      if (!row.holds) return null;
      update({ holds: false, ts_us: nextUs, value_bytes: 0 });
      return nextUs;
    case "check":
      return null;
    case "schema_set":
      // Any revision above 0 will do: the real one is not known yet.
      update({ schema_revision: 1, schema_bytes: utf8Length(operation.schema) });
      return nowUs;
    case "schema_delete":
      if (row.schema_revision === 0) return null;
      update({ schema_revision: 0, schema_bytes: 0 });
      return nowUs;
  }
}

/** What a key counts for. An expired value counts until its expiry is recorded. */
function measure(row: PlannedRow): { keys: number; bytes: number } {
  return {
    keys: row.holds || row.over || row.schema_revision > 0 ? 1 : 0,
    bytes: row.value_bytes + row.schema_bytes,
  };
}

function callersUs({ ts = 0 }: Extract<Operation, { op: "set" }>): number {
  return Math.round(ts * 1e6);
}
