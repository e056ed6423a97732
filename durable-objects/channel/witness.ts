// Where a channel keeps its cursor while it sleeps: in the attachments of two of its sockets, its witnesses. A cursor is about
// the sockets that are there, and is lost exactly when they are. So an event writes no row. All attachments that have a
// cursor have the same one.

import type { Roster } from "./roster.ts";
import type { Subscriber } from "./subscriber.ts";

/** Two, so that one can leave without notice. */
const WITNESSES = 2;

/** Where a channel without sockets, but with relays, stores its cursor, and where earlier versions always did. */
const CURSOR_ROW = "cursor";

/** How often it does. A cursor that is too low only costs a read of the log, because relays drop what they have. */
const ROW_INTERVAL_MS = 5_000;

/** How long a channel waits for its witnesses to say goodbye. */
const GOODBYE_MS = 1_000;

export class Witness {
  readonly #storage: DurableObjectStorage;
  readonly #roster: Roster;
  #witnesses: readonly Subscriber[];
  #hasRow: boolean;
  #storedMs = Number.NEGATIVE_INFINITY;
  readonly #hasRelays: () => boolean;
  #found: ((cursor: number) => void) | undefined;
  /** The cursor when the object woke up, 0 for one without sockets; `undefined` if the channel has to wait for it. */
  readonly cursor: number | undefined;

  constructor(storage: DurableObjectStorage, roster: Roster, hasRelays: () => boolean) {
    this.#hasRelays = hasRelays;
    this.#storage = storage;
    this.#roster = roster;
    this.#witnesses = roster.all().filter(({ cursor }) => cursor !== undefined);
    const row = storage.kv.get<number>(CURSOR_ROW);
    this.#hasRow = row !== undefined;
    this.cursor = this.#witnesses[0]?.cursor ?? row ?? (roster.hasSockets() || hasRelays() ? undefined : 0);
  }

  /**
   * Resolves with the cursor if the witnesses left while the object slept: the platform no longer lists them, but their close
   * is one of the first events. Otherwise resolves with `undefined`.
   */
  wait(): Promise<number | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_MS);
      this.#found = (cursor) => {
        clearTimeout(timer);
        resolve(cursor);
      };
    });
  }

  /** Call it for each subscriber that leaves. */
  left({ cursor }: Subscriber): void {
    if (cursor !== undefined) this.#found?.(cursor);
  }

  /** Gives the cursor to the witnesses, and finds others in the place of those that have left. */
  keep(cursor: number): void {
    for (const subscriber of this.#witnesses) subscriber.keepCursor(subscriber.open ? cursor : undefined);
    this.#witnesses = this.#witnesses.filter(({ open }) => open);
    if (this.#witnesses.length < WITNESSES) {
      this.#witnesses = this.#roster.first(WITNESSES, this.#witnesses);
      for (const subscriber of this.#witnesses) subscriber.keepCursor(cursor);
    }
    if (this.#witnesses.length === 0) this.#storeRow(cursor);
    else if (this.#hasRow) {
      this.#hasRow = false;
      this.#storedMs = Number.NEGATIVE_INFINITY;
      void this.#storage.delete(CURSOR_ROW);
    }
  }

  #storeRow(cursor: number): void {
    const nowMs = Date.now();
    if (!this.#hasRelays() || Math.abs(nowMs - this.#storedMs) < ROW_INTERVAL_MS) return;
    this.#hasRow = true;
    this.#storedMs = nowMs;
    void this.#storage.put(CURSOR_ROW, cursor, { allowUnconfirmed: true });
  }
}
