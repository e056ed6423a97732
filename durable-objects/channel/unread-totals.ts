// How much the subscribers of a channel may not have read, for all together and for each API key. A total is never less
// than what the subscribers know, and is exact after a recount.

import { LIMITS } from "../../config/limits.ts";

/** Growth after which a total above its limit is counted again, as a part of the limit. */
const RECOUNT_STEP = 1 / 16;

/** What is left after the slowest subscribers were closed, as a part of the limit, so that it is not done for each event. */
const ROOM_LEFT = 3 / 4;

/** Milliseconds between two recounts for subscribers that wait. */
const RECOUNT_MS = 20;

/** A subscriber that has not read for so long makes room for one that waits. */
export const STUCK_MS = 5_000;

/** The part of a subscriber that the totals need. */
export interface Reader {
  readonly keyHash: string;
  /** Counts again. Returns the characters that it may not have read. */
  recount(nowMs: number): number;
  /** Since when it has not read, in milliseconds since the epoch. */
  readonly stuckSinceMs: number;
  fallBehind(): void;
}

export class UnreadTotals {
  /** The open subscribers. */
  readonly #readers: () => readonly Reader[];
  #all = 0;
  readonly #byKey = new Map<string, number>();
  #recountedMs = 0;
  /** Totals that a recount has shown to be within the limits, plus a step. */
  #checkAllAt: number = LIMITS.maxUnreadChannelChars;
  readonly #checkKeyAt = new Map<string, number>();

  constructor(readers: () => readonly Reader[]) {
    this.#readers = readers;
  }

  add(keyHash: string, chars: number): void {
    this.#all += chars;
    this.#byKey.set(keyHash, (this.#byKey.get(keyHash) ?? 0) + chars);
  }

  /** Closes the slowest subscribers of an API key, and then of the channel, until their total is within its limit. */
  enforce(keyHash: string, nowMs: number): void {
    const keyChars = this.#byKey.get(keyHash) ?? 0;
    const isKeyOver = keyChars > (this.#checkKeyAt.get(keyHash) ?? LIMITS.maxUnreadApiKeyChars);
    if (!isKeyOver && this.#all <= this.#checkAllAt) return;
    this.#recount(nowMs);
    if (isKeyOver) {
      this.#closeSlowest(LIMITS.maxUnreadApiKeyChars, keyHash);
      this.#checkKeyAt.set(keyHash, nextCheck(this.#byKey.get(keyHash) ?? 0, LIMITS.maxUnreadApiKeyChars));
    }
    this.#closeSlowest(LIMITS.maxUnreadChannelChars);
    this.#checkAllAt = nextCheck(this.#all, LIMITS.maxUnreadChannelChars);
  }

  /** Whether a subscriber with this API key must wait before it gets more of its backlog: half of a limit is in use. */
  isTight(keyHash: string, nowMs: number): boolean {
    const isOver = () =>
      (this.#byKey.get(keyHash) ?? 0) > LIMITS.maxUnreadApiKeyChars / 2 || this.#all > LIMITS.maxUnreadChannelChars / 2;
    if (isOver() && Math.abs(nowMs - this.#recountedMs) >= RECOUNT_MS) this.#recount(nowMs);
    return isOver();
  }

  /** Closes subscribers that do not read and keep the totals high. */
  closeStuck(nowMs: number): void {
    for (const reader of this.#readers()) {
      if (reader.recount(nowMs) > 0 && nowMs - reader.stuckSinceMs >= STUCK_MS) reader.fallBehind();
    }
    this.#recount(nowMs);
  }

  #recount(nowMs: number): void {
    this.#recountedMs = nowMs;
    const counts = this.#readers().map((reader) => [reader.keyHash, reader.recount(nowMs)] as const);
    // Also forgets the subscribers that have gone.
    this.#all = 0;
    this.#byKey.clear();
    for (const [keyHash, chars] of counts) this.add(keyHash, chars);
    for (const keyHash of this.#checkKeyAt.keys()) if (!this.#byKey.has(keyHash)) this.#checkKeyAt.delete(keyHash);
  }

  #closeSlowest(limit: number, keyHash?: string): void {
    const total = () => (keyHash === undefined ? this.#all : (this.#byKey.get(keyHash) ?? 0));
    if (total() <= limit) return;
    const readers = this.#readers()
      .filter((reader) => keyHash === undefined || reader.keyHash === keyHash)
      .map((reader) => ({ reader, chars: reader.recount(this.#recountedMs) }))
      .toSorted((a, b) => b.chars - a.chars);
    for (const { reader, chars } of readers) {
      if (total() <= limit * ROOM_LEFT || chars === 0) return;
      // Subtracts its characters.
      reader.fallBehind();
    }
  }
}

function nextCheck(total: number, limit: number): number {
  return Math.max(limit, total + limit * RECOUNT_STEP);
}
