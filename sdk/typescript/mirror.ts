// A copy of a part of the memory in the process, kept equal to it by the feed. It changes in whole steps only: no reader sees
// half of a snapshot, and what it holds is what memX held at `revision`.

import { backoffMs, pause } from "./backoff.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { InvalidRequestError, MemxError } from "./errors.ts";
import type { BufferedEvent, ResetMarker } from "./event-buffer.ts";
import type { ValueEvent } from "./events.ts";
import { checkRevision } from "./reads.ts";
import { refuseUnknown } from "./refuse-unknown.ts";
import { withSignal } from "./signals.ts";
import type { Subscription } from "./subscription.ts";
import type { CallOptions, Entry, MirrorOptions, SubscriptionStatus } from "./types.ts";

const DEFAULT_MAX_CHARS = 64 * 1024 * 1024;

/** Milliseconds after which `at` asks memX: most changes arrive before. Those of keys without a match never arrive. */
const ASK_AFTER_MS = 100;

/** `entry` is `null` if the key holds nothing now. */
export type MirrorListener<T = unknown> = (key: string, entry: Entry<T> | null) => void;

type Held = { readonly entry: Entry; readonly chars: number };

/** What a mirror is made of. `subscription` calls `take` with everything that arrives, and has no other consumer. */
export type MirrorParts = {
  readonly covers: (key: string) => boolean;
  readonly subscribe: (take: Take) => Subscription;
};

/** Receives what changed since the last call, in order, up to a revision. */
export type Take = (items: readonly (BufferedEvent | ResetMarker)[], revision: number) => void;

/** @throws {InvalidRequestError} */
export function checkMirrorOptions({ maxChars, onStatus, signal, ...unknown }: MirrorOptions): void {
  refuseUnknown(unknown);
  if (maxChars === undefined || (Number.isSafeInteger(maxChars) && maxChars >= 1)) return;
  throw new InvalidRequestError("invalid_request", "`maxChars` must be a whole number of at least 1.");
}

/** The current entries of all keys that match, without a call. Do not change the values: every reader gets the same ones. */
export class Mirror<T = unknown> implements Disposable {
  readonly #subscription: Subscription;
  readonly #covers: (key: string) => boolean;
  readonly #maxChars: number;
  readonly #listeners = new Set<MirrorListener<T>>();
  readonly #waiting = new Set<{ readonly revision: number; readonly reached: Deferred<void> }>();
  #held = new Map<string, Held>();
  #chars = 0;
  #revision = 0;
  #isAsking = false;
  /** Why reading it fails. */
  #end: unknown;

  private constructor({ covers, subscribe }: MirrorParts, maxChars: number) {
    this.#covers = covers;
    this.#maxChars = maxChars;
    this.#subscription = subscribe((items, revision) => {
      try {
        this.#take(items, revision);
      } catch (error) {
        // At once, so that nobody reads half of a step.
        this.#close(error);
        throw error;
      }
    });
    const closed = () => new MemxError("closed", "The mirror is closed.");
    this.#subscription.done.then(
      () => this.#close(closed()),
      (error) => this.#close(error),
    );
  }

  /** Resolves once the mirror is complete. For `MemX.mirror`. */
  static async open<T>(parts: MirrorParts, maxChars = DEFAULT_MAX_CHARS): Promise<Mirror<T>> {
    const mirror = new Mirror<T>(parts, maxChars);
    await mirror.#subscription.ready;
    return mirror;
  }

  /** Resolves when the mirror ends. Rejects if memX refuses it, if it is full, or with the error that a listener threw. */
  get done(): Promise<void> {
    return this.#subscription.done;
  }

  /** While it is not `live`, the mirror holds what it held last. */
  get status(): SubscriptionStatus {
    return this.#subscription.status;
  }

  /** Why the last attempt to be live failed, after which another one follows. */
  get lastError(): MemxError | undefined {
    return this.#subscription.lastError;
  }

  /** The mirror is equal to the memory as it was after this change. */
  get revision(): number {
    return this.#revision;
  }

  /** Number of keys that hold a value. */
  get size(): number {
    this.#checkOpen();
    return this.#held.size;
  }

  /** Whether a key matches the mirror's patterns. */
  covers(key: string): boolean {
    return this.#covers(key);
  }

  /**
   * Returns a key's entry; `null` if the key holds nothing, or if the API key must not read it.
   *
   * @throws {InvalidRequestError} if the key matches none of the mirror's patterns
   * @throws {MemxError} if the mirror has ended
   */
  get(key: string): Entry<T> | null {
    this.#checkOpen();
    if (!this.#covers(key)) {
      const message = `The mirror has no pattern for the key ${JSON.stringify(key)}.`;
      throw new InvalidRequestError("invalid_request", message, { key });
    }
    return (this.#held.get(key)?.entry as Entry<T> | undefined) ?? null;
  }

  /**
   * Iterates over all keys with their entries, in no particular order.
   *
   * @throws {MemxError} if the mirror has ended
   */
  *entries(): IterableIterator<[key: string, entry: Entry<T>]> {
    this.#checkOpen();
    for (const [key, { entry }] of this.#held) yield [key, entry as Entry<T>];
  }

  [Symbol.iterator](): IterableIterator<[key: string, entry: Entry<T>]> {
    return this.entries();
  }

  /**
   * Resolves once the mirror is at least as new as a revision, for example that of a write of this program or another one.
   *
   * @throws {MemxError} if the mirror ends before
   */
  async at(revision: number, { signal, ...unknown }: CallOptions = {}): Promise<void> {
    refuseUnknown(unknown);
    checkRevision(revision);
    signal?.throwIfAborted();
    this.#checkOpen();
    if (revision <= this.#revision) return;
    const waiting = { revision, reached: deferred<void>() };
    this.#waiting.add(waiting);
    void this.#ask();
    try {
      await withSignal(waiting.reached.promise, signal);
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  /**
   * Calls the listener with each key that changes, after the mirror has changed. After a reset, that is each key whose
   * entry is another one. If it throws, the mirror ends with that error. Returns a function that ends this.
   */
  onChange(listener: MirrorListener<T>): () => void {
    // One of its own, so that the same function can listen twice.
    const own: MirrorListener<T> = (key, entry) => listener(key, entry);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Ends the mirror. Reading it throws from then on. */
  readonly close = (): void => {
    this.#subscription.close();
    this.#close(new MemxError("closed", "The mirror is closed."));
  };

  [Symbol.dispose](): void {
    this.close();
  }

  #take(items: Parameters<Take>[0], revision: number): void {
    const before = new Map<string, Held | undefined>();
    for (const item of items) {
      if ("reset" in item) {
        for (const [key, held] of this.#held) if (!before.has(key)) before.set(key, held);
        this.#held = new Map();
        this.#chars = 0;
      } else {
        const { key } = item.event;
        if (!before.has(key)) before.set(key, this.#held.get(key));
        this.#put(item);
      }
    }
    if (this.#chars > this.#maxChars) {
      const message = `The entries of the mirror have more than ${this.#maxChars} characters. Mirror fewer keys, or set \`maxChars\`.`;
      throw new MemxError("mirror_full", message);
    }
    this.#revision = revision;
    for (const { revision: wanted, reached } of this.#waiting) if (wanted <= revision) reached.resolve();
    if (this.#listeners.size === 0) return;
    for (const [key, old] of before) {
      const held = this.#held.get(key);
      if (held?.entry.revision === old?.entry.revision) continue;
      for (const listener of this.#listeners) listener(key, (held?.entry as Entry<T> | undefined) ?? null);
    }
  }

  #put({ event, chars }: BufferedEvent): void {
    const { event: _, action, key, previous, ...entry } = event as ValueEvent;
    this.#chars -= this.#held.get(key)?.chars ?? 0;
    if (action !== "set") {
      this.#held.delete(key);
      return;
    }
    this.#chars += chars;
    this.#held.set(key, { entry: entry as Entry, chars });
  }

  /** Asks memX for what it has until nobody waits. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    for (let attempt = 0; ; attempt++) {
      await pause(attempt === 0 ? ASK_AFTER_MS : ASK_AFTER_MS + backoffMs(attempt));
      if (this.#waiting.size === 0) break;
      // If the call fails, the next one follows, or the subscription ends.
      await this.#subscription.refresh().catch(() => {});
    }
    this.#isAsking = false;
  }

  #checkOpen(): void {
    if (this.#end !== undefined) throw this.#end;
  }

  #close(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#held.clear();
    this.#listeners.clear();
    for (const { reached } of this.#waiting) reached.reject(reason);
    this.#waiting.clear();
  }
}
