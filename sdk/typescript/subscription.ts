// One subscription: from what the feed delivers to what its consumer reads, each change once, in order, and never more
// in memory than fits its buffer. A consumer that lags is caught up from memX later.

import type { EventFilter } from "../protocol.ts";
import { backoffMs, pause } from "./backoff.ts";
import { deferred } from "./deferred.ts";
import { isFinal, MemxError } from "./errors.ts";
import type { ChangeEvent, ChangesPage } from "./events.ts";
import type { Feed, Member } from "./feed.ts";
import type { SubscribeOptions, SubscriptionStatus } from "./types.ts";

/** Characters of events that may wait, as the values among them may be large. */
const MAX_BUFFERED_CHARS = 8 * 1024 * 1024;

/** How a subscription reaches memX besides its socket. */
export type Source = {
  readonly feed: Feed;
  /** What came after a revision; with 0 what is held. */
  readonly readChanges: (
    patterns: readonly string[],
    filter: EventFilter,
    since: number,
    signal: AbortSignal,
  ) => Promise<ChangesPage>;
  /** Rejects where the API key may not read what is subscribed to: of a pattern one merely sees what one may. */
  readonly checkAccess: (signal: AbortSignal) => Promise<void>;
};

export type Wanted = { readonly patterns: readonly string[]; readonly matches: (key: string) => boolean };

type Item = { readonly event: ChangeEvent; readonly chars: number } | { readonly reset: number };

/**
 * Live changes, for `for await` or a listener.
 *
 * It ends with `close`, with the signal that it was given, or when leaving a `for await`. Lost connections do not end it.
 */
export class Subscription<E extends ChangeEvent = ChangeEvent>
  implements AsyncIterable<E>, Disposable, AsyncDisposable
{
  /** Resolves when it has ended; rejects with the error that ended it: a refusal, or what the listener threw. */
  readonly done: Promise<void>;
  readonly #source: Source;
  readonly #options: SubscribeOptions;
  readonly #wanted: Wanted;
  readonly #filter: EventFilter;
  readonly #member: Member;
  readonly #abort = new AbortController();
  readonly #ready = deferred<void>();
  readonly #done = deferred<void>();
  #isAwaited = false;
  #wasLive = false;

  #status: SubscriptionStatus = "connecting";
  #error: unknown;
  #iterated = false;

  /** `joining`: the feed does not serve it yet. `behind`: events are dropped until its consumer has read on. */
  #state: "joining" | "catching up" | "live" | "behind" | "ended" = "joining";
  #connected = false;
  #allowed = false;
  /** Up to here it has had everything. Before it has begun: where it is to begin, `undefined` for now. */
  #cursor: number | undefined;
  /** For the consumer; and while it catches up, what comes after that. */
  #queue: Item[] = [];
  #queuedChars = 0;
  #held: Item[] = [];
  #heldChars = 0;
  #overflowed = false;
  #wake: () => void = () => {};

  constructor(source: Source, wanted: Wanted, options: SubscribeOptions) {
    this.#source = source;
    this.#options = options;
    this.#wanted = wanted;
    this.#filter = options.event ?? "value";
    this.#cursor = options.snapshot ? 0 : options.since;
    this.done = this.#done.promise;
    this.#ready.promise.catch(() => {
      // Who does not wait for it is told by `done`.
    });
    this.#member = {
      patterns: wanted.patterns,
      filter: this.#filter,
      joined: (revision) => this.#joined(revision),
      missed: () => this.#missed(),
      deliver: (event, chars) => this.#deliver(event, chars),
      disconnected: () => {
        this.#connected = false;
        this.#tell();
      },
      fail: (error) => this.#end(error),
    };
    const { signal } = options;
    signal?.addEventListener("abort", this.close, { once: true, signal: this.#abort.signal });
    if (signal?.aborted) this.close();
    else {
      source.feed.add(this.#member);
      void this.#check();
    }
  }

  /** Resolves once it is live for the first time: it gets whatever is written after that. Rejects if it ends before. */
  get ready(): Promise<void> {
    this.#isAwaited = true;
    return this.#ready.promise;
  }

  get status(): SubscriptionStatus {
    return this.#status;
  }

  /** Ends it. What is still waiting for its consumer is dropped. */
  readonly close = (): void => {
    this.#queue = [];
    this.#end(undefined);
  };

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Once: what one consumer reads, another would miss. */
  [Symbol.asyncIterator](): AsyncIterableIterator<E, undefined> {
    if (this.#iterated) throw new TypeError("A subscription has one consumer. Subscribe again for another.");
    this.#iterated = true;
    this.#markHandled(); // The loop throws it.
    const iterator: AsyncIterableIterator<E, undefined> = {
      next: async () => {
        const event = await this.#take();
        return event ? { value: event as E, done: false } : { value: undefined, done: true };
      },
      return: async () => {
        this.close();
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Calls the listener with each event, and waits for what it returns before the next one. */
  listen(listener: (event: E) => unknown): this {
    if (this.#iterated) throw new TypeError("A subscription has one consumer. Subscribe again for another.");
    this.#iterated = true;
    void (async () => {
      try {
        for (let event = await this.#take(); event; event = await this.#take()) await listener(event as E);
      } catch (error) {
        this.#queue = [];
        this.#end(error);
      }
    })();
    return this;
  }

  async #take(): Promise<ChangeEvent | undefined> {
    for (;;) {
      const item = this.#queue.shift();
      if (item === undefined) {
        if (this.#state === "ended") {
          if (this.#error !== undefined) throw this.#error;
          return undefined;
        }
        if (this.#state === "behind") void this.#catchUp();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if ("reset" in item) {
        this.#options.onReset?.(item.reset);
      } else {
        this.#queuedChars -= item.chars;
        return item.event;
      }
    }
  }

  #joined(revision: number): void {
    this.#connected = true;
    if (this.#state === "live") this.#cursor = Math.max(this.#cursor as number, revision);
    if (this.#state === "joining") {
      if (this.#cursor === undefined) {
        this.#cursor = revision;
        this.#state = "live";
      } else void this.#catchUp();
    }
    this.#tell();
  }

  #missed(): void {
    if (this.#state === "live") void this.#catchUp();
    // What it is being sent may end before what the feed has skipped.
    else if (this.#state === "catching up") this.#overflow();
  }

  #deliver(event: ChangeEvent, chars: number): void {
    if (this.#state !== "live" && this.#state !== "catching up") return;
    if (this.#filter !== "all" && event.event !== this.#filter) return;
    if (!this.#wanted.matches(event.key)) return;
    if (this.#state === "live") this.#accept({ event, chars });
    else if (this.#held.length >= this.#maxItems || this.#heldChars + chars > MAX_BUFFERED_CHARS) this.#overflow();
    else {
      this.#held.push({ event, chars });
      this.#heldChars += chars;
    }
  }

  get #maxItems(): number {
    return this.#options.buffer ?? 1_000;
  }

  #accept(item: { readonly event: ChangeEvent; readonly chars: number }): void {
    const { revision } = item.event;
    if (revision <= (this.#cursor as number)) return;
    const isFull = this.#queue.length >= this.#maxItems || this.#queuedChars + item.chars > MAX_BUFFERED_CHARS;
    // One that is too large by itself still has to pass.
    if (isFull && this.#queue.length > 0) {
      this.#state = "behind";
      this.#tell();
      return;
    }
    this.#cursor = revision;
    this.#push(item);
  }

  #push(item: Item): void {
    this.#queue.push(item);
    if ("chars" in item) this.#queuedChars += item.chars;
    this.#wake();
  }

  #overflow(): void {
    this.#held = [];
    this.#heldChars = 0;
    this.#overflowed = true;
  }

  /** Fetches what came after the cursor, while what happens meanwhile is held. */
  async #catchUp(): Promise<void> {
    this.#state = "catching up";
    this.#tell();
    const { signal } = this.#abort;
    for (let failures = 0; ; ) {
      this.#overflow();
      this.#overflowed = false;
      try {
        const page = await this.#source.readChanges(this.#wanted.patterns, this.#filter, this.#cursor ?? 0, signal);
        failures = 0;
        if (this.#state !== "catching up") return;
        this.#takePage(page);
      } catch (error) {
        if (signal.aborted) return;
        if (isFinal(error)) return this.#end(error);
        await pause(backoffMs(failures++), signal).catch(() => {});
        if (signal.aborted) return;
        continue;
      }
      if (!this.#overflowed) break;
    }
    this.#state = "live";
    const held = this.#held;
    this.#overflow();
    // The first that does not fit makes it `behind`, and all after it are to be fetched too.
    for (const item of held) if (this.#state === "live" && "event" in item) this.#accept(item);
    this.#tell();
  }

  #takePage({ changes, revision, reset }: ChangesPage): void {
    if (reset && this.#cursor !== 0) this.#push({ reset: revision });
    const since = reset ? 0 : (this.#cursor ?? 0);
    for (const event of changes) {
      // The patterns of the request may be wider than ours.
      if (event.revision > since && this.#wanted.matches(event.key)) this.#push({ event, chars: sizeOf(event) });
    }
    this.#cursor = revision;
  }

  async #check(): Promise<void> {
    const { signal } = this.#abort;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#source.checkAccess(signal);
        this.#allowed = true;
        return this.#tell();
      } catch (error) {
        if (signal.aborted) return;
        if (isFinal(error)) return this.#end(error);
        await pause(backoffMs(failures), signal).catch(() => {});
      }
    }
  }

  #tell(): void {
    const isUp = this.#connected && this.#allowed;
    const status =
      this.#state === "ended"
        ? "closed"
        : this.#state === "behind"
          ? "behind"
          : isUp && this.#state === "live"
            ? "live"
            : "connecting";
    if (status === "live") {
      this.#wasLive = true;
      this.#ready.resolve();
    }
    if (status === this.#status) return;
    this.#status = status;
    // Not within the feed, which goes on whatever it throws.
    queueMicrotask(() => this.#options.onStatus?.(status));
  }

  #end(error: unknown): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#error = error;
    this.#source.feed.remove(this.#member);
    this.#abort.abort();
    this.#overflow();
    if (error === undefined) this.#done.resolve();
    else {
      if (this.#isAwaited && !this.#wasLive) this.#markHandled(); // `ready` tells it.
      this.#done.reject(error);
    }
    this.#ready.reject(error ?? new MemxError("closed", "The subscription was closed before it was live."));
    this.#wake();
    this.#tell();
  }

  #markHandled(): void {
    this.#done.promise.catch(() => {});
  }
}

function sizeOf(event: ChangeEvent): number {
  return JSON.stringify(event).length;
}
