// The state machine of a subscription: puts the live changes of the feed and the changes that memX replays into the
// subscription's queue, each change once and in order.

import { persist } from "./backoff.ts";
import type { MemxError } from "./errors.ts";
import { type BufferedEvent, EventBuffer, type ResetMarker } from "./event-buffer.ts";
import type { ChangeEvent, ChangesPage } from "./events.ts";

export type DeliveryOptions = {
  /** The revision to begin after; 0 for a snapshot, `undefined` for now. */
  readonly since: number | undefined;
  /** For how many events the queue has room, and a catch-up for live events. */
  readonly maxEvents: number;
  readonly wants: (event: ChangeEvent) => boolean;
  /** Reads what came after a revision; after 0, all current entries. */
  readonly readChanges: (since: number) => Promise<ChangesPage>;
  /** Aborts when the subscription ends. */
  readonly signal: AbortSignal;
  readonly onState: () => void;
  /** The queue has one more item. */
  readonly onItem: () => void;
  /** An attempt to catch up failed, and another one follows. */
  readonly onRetry: (error: MemxError) => void;
  /** A catch-up failed, and would fail again. */
  readonly onFailure: (error: unknown) => void;
};

/**
 * - `joining`: the feed does not serve the subscription yet.
 * - `catching up`: a page of changes is on its way from memX, and live events wait for it.
 * - `live`: live events go into the queue.
 * - `behind`: the queue is full. Events are dropped until the consumer has read the queue, and then caught up.
 */
export type DeliveryState = "joining" | "catching up" | "live" | "behind" | "ended";

export class Delivery {
  readonly queue: EventBuffer<BufferedEvent | ResetMarker>;
  readonly #options: DeliveryOptions;
  #state: DeliveryState = "joining";
  /** Set on leaving `joining`. */
  #cursor = 0;
  /** Live events that arrived during a catch-up; `undefined` if one of them is missing. */
  #arrived: EventBuffer | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.queue = new EventBuffer(options.maxEvents);
  }

  get state(): DeliveryState {
    return this.#state;
  }

  /** Every wanted change up to this revision is in the queue, or was. */
  get cursor(): number {
    return this.#cursor;
  }

  /** The feed now delivers every change after `revision`. */
  joined(revision: number): void {
    if (this.#state === "live") this.#cursor = Math.max(this.#cursor, revision);
    if (this.#state !== "joining") return;
    const { since } = this.#options;
    this.#cursor = since ?? revision;
    if (since === undefined) this.#enter("live");
    else void this.#catchUp();
  }

  /** The feed may have skipped changes. */
  missed(): void {
    if (this.#state === "live") void this.#catchUp();
    // The page that is on its way may end before what the feed skipped.
    else if (this.#state === "catching up") this.#arrived = undefined;
  }

  deliver(event: ChangeEvent, chars: number): void {
    if (this.#state !== "live" && this.#state !== "catching up") return;
    if (!this.#options.wants(event)) return;
    const item = { event, chars };
    if (this.#state === "live") this.#accept(item);
    else if (this.#arrived?.hasRoomFor(item)) this.#arrived.push(item);
    else this.#arrived = undefined;
  }

  /** The consumer has read the whole queue. */
  drained(): void {
    if (this.#state === "behind") void this.#catchUp();
  }

  /**
   * Asks memX how far it is, because a change that is not wanted does not arrive, and stays live meanwhile.
   * @throws what `readChanges` throws
   */
  async refresh(): Promise<void> {
    if (this.#state !== "live") return;
    const { changes, revision, reset } = await this.#options.readChanges(this.#cursor);
    if (this.#state !== "live" || revision <= this.#cursor) return;
    if (reset) return this.#catchUp();
    for (const event of changes) {
      if (this.#state === "live" && this.#options.wants(event)) this.#accept(withSize(event));
    }
    if (this.#state === "live") this.#cursor = revision;
    this.#options.onState();
  }

  end(): void {
    this.#state = "ended";
    this.#arrived = undefined;
  }

  #accept(item: BufferedEvent): void {
    const { revision } = item.event;
    if (revision <= this.#cursor) return;
    // An event that is too large by itself must still pass.
    if (this.queue.items.length > 0 && !this.queue.hasRoomFor(item)) {
      this.#enter("behind");
      return;
    }
    this.#cursor = revision;
    this.#push(item);
  }

  async #catchUp(): Promise<void> {
    this.#enter("catching up");
    const { readChanges, maxEvents, signal, onRetry, onFailure, onState } = this.#options;
    const read = () => {
      // Whatever arrived before this request, its page has.
      this.#arrived = new EventBuffer(maxEvents);
      return readChanges(this.#cursor);
    };
    try {
      do {
        const page = await persist(read, signal, onRetry);
        if (signal.aborted) return;
        this.#takePage(page);
      } while (this.#arrived === undefined);
    } catch (error) {
      if (!signal.aborted) onFailure(error);
      return;
    }
    const arrived: EventBuffer = this.#arrived;
    this.#arrived = undefined;
    this.#state = "live";
    // The first event that does not fit makes the state `behind`; the next catch-up reads the rest.
    for (const item of arrived.items) if (this.#state === "live") this.#accept(item);
    onState();
  }

  #takePage({ changes, revision, reset }: ChangesPage): void {
    if (reset && this.#cursor !== 0) this.#push({ reset: revision });
    const since = reset ? 0 : this.#cursor;
    for (const event of changes) {
      // The request's patterns may be wider than the subscription's.
      if (event.revision > since && this.#options.wants(event)) this.#push(withSize(event));
    }
    this.#cursor = revision;
  }

  #push(item: BufferedEvent | ResetMarker): void {
    this.queue.push(item);
    this.#options.onItem();
  }

  #enter(state: DeliveryState): void {
    this.#state = state;
    this.#options.onState();
  }
}

function withSize(event: ChangeEvent): BufferedEvent {
  return { event, chars: JSON.stringify(event).length };
}
