// What a write needs to know of a key: everything that is stored of it, except the texts of its value and its schema.

/** Times are microseconds since the epoch. */
export type Row = {
  /** Revision of the key's last change of any kind. */
  readonly revision: number;
  /** Token of the watch on the key; `null` if there is none. */
  readonly watcher: string | null;
  /** When the value was last set, deleted or expired. */
  readonly ts_us: number;
  /** 0 if the key has no value. */
  readonly value_revision: number;
  /** 0 if the key has no schema. */
  readonly schema_revision: number;
  readonly value_bytes: number;
  readonly schema_bytes: number;
  /** When the value expires; 0 for never. */
  readonly expires_us: number;
};

/** A row at one moment. A value that has expired by then counts as gone, although it is still stored (`over`). */
export type CurrentRow = Row & { readonly over: boolean };

/** The row of a key that was never written. */
export const ABSENT: Row = {
  revision: 0,
  watcher: null,
  ts_us: 0,
  value_revision: 0,
  schema_revision: 0,
  value_bytes: 0,
  schema_bytes: 0,
  expires_us: 0,
};

export function currentRow(row: Row, nowUs: number): CurrentRow {
  if (row.expires_us === 0 || row.expires_us > nowUs) return { ...row, over: false };
  return { ...row, value_revision: 0, ts_us: Math.max(row.expires_us, row.ts_us + 1), over: true };
}
