// Where the log has its changes, in SQL: in a ring of as many slots as it may have changes. The change of a revision is in the
// slot `revision % length`, where the oldest one was, so an append writes one row. The revisions in the log have no gap.

export class LogRing {
  readonly #sql: SqlStorage;
  readonly #length: number;

  constructor(storage: DurableObjectStorage, length: number) {
    this.#sql = storage.sql;
    this.#length = length;
    if (storage.kv.get<number>("ring") !== length) storage.transactionSync(() => this.#layOut(storage.kv));
  }

  /** After a migration, or with another length. The oldest changes leave if there are too many. */
  #layOut(kv: SyncKvStorage): void {
    // Below 0 is no slot, so nothing is in the way.
    this.#sql.exec("UPDATE log SET slot = -revision WHERE slot >= 0");
    this.#sql.exec("DELETE FROM log WHERE revision <= (SELECT max(revision) FROM log) - ?", this.#length);
    this.#sql.exec("UPDATE log SET slot = revision % ?", this.#length);
    kv.put("ring", this.#length);
  }

  slotOf(revision: number): number {
    return revision % this.#length;
  }

  /** The first and last slot of each part of the ring that has these revisions, in their order. `from` may be `to + 1`. */
  arcs(from: number, to: number): readonly (readonly [number, number])[] {
    if (from > to) return [];
    const [first, last] = [this.slotOf(from), this.slotOf(to)];
    if (first <= last) return [[first, last]];
    return [
      [first, this.#length - 1],
      [0, last],
    ];
  }

  /** The revisions of the first and the last change, if there are changes. Reads a row for each doubling of the length. */
  ends(): { readonly oldest: number; readonly newest: number } | undefined {
    const [first] = this.#rows("1 = 1 ORDER BY slot LIMIT 1");
    const [last] = this.#rows("1 = 1 ORDER BY slot DESC LIMIT 1");
    if (!first || !last) return undefined;
    if (last.revision - first.revision === last.slot - first.slot) {
      return { oldest: first.revision, newest: last.revision };
    }
    // The changes go on from the last slot to slot 0, where `first` is, and from there to a slot that is to be found.
    let [has, hasNot] = [first.slot, last.slot];
    while (hasNot - has > 1) {
      const slot = Math.floor((has + hasNot) / 2);
      const [row] = this.#rows("slot = ?", slot);
      if (row?.revision === first.revision + slot) has = slot;
      else hasNot = slot;
    }
    const [oldest = first] = this.#rows("slot > ? ORDER BY slot LIMIT 1", has);
    return { oldest: oldest.revision, newest: first.revision + has };
  }

  #rows(where: string, ...bindings: number[]) {
    const rows = this.#sql.exec<{ slot: number; revision: number }>(
      `SELECT slot, revision FROM log WHERE ${where}`,
      ...bindings,
    );
    return rows.toArray();
  }
}
