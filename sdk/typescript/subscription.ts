// One subscription as its consumer sees it: an iterator or a listener, a status, and an end.

import type { EventFilter } from "../protocol.ts";
import { persist } from "./backoff.ts";
import { deferred } from "./deferred.ts";
import { Delivery } from "./delivery.ts";
import { InvalidRequestError, MemxError } from "./errors.ts";
import type { ChangeEvent, ChangesPage } from "./events.ts";
import type { Feed, Member } from "./feed.ts";
import type { Take } from "./mirror.ts";
import { followSignal } from "./signals.ts";
import type { SubscribeOptions, SubscriptionStatus } from "./types.ts";

/** How a subscription reaches memX besides its socket. */
export type Source = {
  readonly feed: Feed;
  /** Aborts when the client closes. */
  readonly closing: AbortSignal;
  /** Reads what came after a revision; after 0, all current entries. */
  readonly readChanges: (
    patterns: readonly string[],
    filter: EventFilter,
    since: number,
    signal: AbortSignal,
  ) => Promise<ChangesPage>;
  /** Rejects if the API key may not read one of the keys. A pattern just matches fewer keys. */
  readonly checkAccess: (signal: AbortSignal) => Promise<void>;
};

/** An error, which may be `undefined` if the caller's code throws it. */
type Failure = { readonly error: unknown };

export type Wanted = { readonly patterns: readonly string[]; readonly matches: (key: string) => boolean };

/**
 * Live changes, for `for await` or a listener.
 *
 * `close`, the `signal` option, and leaving a `for await` end a subscription. A lost connection does not end it.
 */
export class Subscription<E extends ChangeEvent = ChangeEvent>
  implements AsyncIterable<E>, Disposable, AsyncDisposable
{
  /**
   * Resolves when the subscription ends. Rejects if memX refuses it, or with the error that the listener, `onStatus` or
   * `onReset` threw.
   */
  readonly done: Promise<void>;
  readonly #feed: Feed;
  readonly #options: SubscribeOptions;
  readonly #member: Member;
  readonly #delivery: Delivery;
  readonly #abort = new AbortController();
  readonly #ready = deferred<void>();
  readonly #done = deferred<void>();
  /** If the caller waits for `ready`, `ready` reports a failure, and `done` need not. */
  #readiness: "unasked" | "awaited" | "reached" = "unasked";
  #status: SubscriptionStatus = "connecting";
  #isConnected = false;
  #isAllowed = false;
  #hasConsumer = false;
  #lastError: MemxError | undefined;
  /** What ended the subscription, if it did not end by itself. The consumer takes it once. */
  #failure: Failure | undefined;
  #wake: () => void = () => {};
  /** Takes whatever arrives, in place of a consumer. */
  readonly #take: Take | undefined;

  constructor(source: Source, { patterns, matches }: Wanted, options: SubscribeOptions, take?: Take) {
    if (patterns.length === 0)
      throw new InvalidRequestError("invalid_request", "Subscribe to at least one key or pattern.");
    this.#feed = source.feed;
    this.#options = options;
    this.#take = take;
    this.#hasConsumer = take !== undefined;
    this.done = this.#done.promise;
    this.#ready.promise.catch(() => {
      // `done` reports it too.
    });
    const filter = options.event ?? "value";
    this.#delivery = new Delivery({
      since: options.snapshot ? 0 : options.since,
      maxEvents: options.buffer ?? 1_000,
      wants: ({ event, key }) => (filter === "all" || event === filter) && matches(key),
      readChanges: (since) => source.readChanges(patterns, filter, since, this.#abort.signal),
      signal: this.#abort.signal,
      onState: () => {
        this.#passOn();
        this.#updateStatus();
      },
      onItem: () => {
        this.#passOn();
        this.#wake();
      },
      onRetry: (error) => this.#updateStatus(error),
      onFailure: (error) => this.#end({ error }),
    });
    this.#member = {
      patterns,
      filter,
      joined: (revision) => this.#connected(revision),
      missed: () => this.#delivery.missed(),
      deliver: (event, chars) => this.#delivery.deliver(event, chars),
      disconnected: (error) => this.#disconnected(error),
      fail: (error) => this.#end({ error }),
    };
    const signals = [source.closing, options.signal].filter((signal) => signal !== undefined);
    for (const signal of signals) {
      followSignal(signal).addEventListener("abort", this.close, { once: true, signal: this.#abort.signal });
    }
    if (signals.some(({ aborted }) => aborted)) this.close();
    else {
      this.#feed.add(this.#member);
      void this.#checkAccess(source.checkAccess);
    }
  }

  /**
   * Resolves once the subscription is live for the first time: it receives every change from then on. Rejects if it
   * ends before that.
   */
  get ready(): Promise<void> {
    if (this.#readiness === "unasked") this.#readiness = "awaited";
    return this.#ready.promise;
  }

  get status(): SubscriptionStatus {
    return this.#status;
  }

  /** Why the last attempt to be live failed, after which another one follows. `undefined` while the subscription is live. */
  get lastError(): MemxError | undefined {
    return this.#lastError;
  }

  /** Ends the subscription, and drops the events that the consumer has not read. */
  readonly close = (): void => {
    this.#delivery.queue.clear();
    this.#end(undefined);
  };

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /**
   * Iterates over the events.
   *
   * @throws {TypeError} if it already has a consumer, because a second one would miss what the first reads
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<E, undefined> {
    this.#claimConsumer();
    this.#markHandled(); // The loop throws it.
    let last: Promise<unknown> = Promise.resolve();
    const take = async (): Promise<IteratorResult<E, undefined>> => {
      const event = await this.#next();
      return event ? { value: event as E, done: false } : { value: undefined, done: true };
    };
    const iterator: AsyncIterableIterator<E, undefined> = {
      // As in an async generator: the calls wait for each other, and after an error the iterator is done.
      next: () => {
        const result = last.then(take, take);
        last = result;
        return result;
      },
      return: async () => {
        this.close();
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * Calls the listener with each event, and waits for the promise that it returns before the next call.
   *
   * @throws {TypeError} if the subscription already has a consumer
   */
  listen(listener: (event: E) => unknown): this {
    this.#claimConsumer();
    void (async () => {
      try {
        for (let event = await this.#next(); event; event = await this.#next()) await listener(event as E);
      } catch (error) {
        this.#fail(error);
      }
    })();
    return this;
  }

  #claimConsumer(): void {
    if (this.#hasConsumer) throw new TypeError("A subscription has one consumer. Subscribe again for another.");
    this.#hasConsumer = true;
  }

  async #next(): Promise<ChangeEvent | undefined> {
    for (;;) {
      const item = this.#delivery.queue.shift();
      if (item === undefined) {
        if (this.#delivery.state === "ended") {
          const failure = this.#failure;
          this.#failure = undefined;
          if (failure) throw failure.error;
          return undefined;
        }
        this.#delivery.drained();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if ("reset" in item) {
        try {
          await this.#options.onReset?.(item.reset);
        } catch (error) {
          this.#fail(error);
        }
      } else {
        return item.event;
      }
    }
  }

  /** Asks memX how far it is. @throws {MemxError} */
  refresh(): Promise<void> {
    return this.#delivery.refresh();
  }

  /** Gives `take` what is in the queue. Not during a catch-up, whose page must arrive whole. */
  #passOn(): void {
    const { state, queue, cursor } = this.#delivery;
    if (!this.#take || (state !== "live" && state !== "behind")) return;
    try {
      this.#take(queue.takeAll(), cursor);
    } catch (error) {
      this.#fail(error);
    }
    if (state === "behind") queueMicrotask(() => this.#delivery.drained());
  }

  #connected(revision: number): void {
    this.#isConnected = true;
    this.#delivery.joined(revision);
    this.#passOn();
    this.#updateStatus();
  }

  #disconnected(error: MemxError): void {
    this.#isConnected = false;
    this.#updateStatus(error);
  }

  async #checkAccess(checkAccess: Source["checkAccess"]): Promise<void> {
    const { signal } = this.#abort;
    try {
      await persist(
        () => checkAccess(signal),
        signal,
        (error) => this.#updateStatus(error),
      );
      this.#isAllowed = true;
      this.#updateStatus();
    } catch (error) {
      if (!signal.aborted) this.#end({ error });
    }
  }

  /** `error` is that of an attempt that failed and that another one follows. */
  #updateStatus(error?: MemxError): void {
    if (this.#delivery.state === "ended") return;
    const status = this.#readStatus();
    if (error) this.#lastError = error;
    if (status === "live") {
      this.#lastError = undefined;
      this.#readiness = "reached";
      this.#ready.resolve();
    }
    if (status === this.#status && !(error && status === "connecting")) return;
    this.#status = status;
    // Outside the feed's call, so that a callback that throws does not stop the feed.
    queueMicrotask(() => this.#callOnStatus(status, error));
  }

  async #callOnStatus(status: SubscriptionStatus, error: MemxError | undefined): Promise<void> {
    try {
      await this.#options.onStatus?.(status, error);
    } catch (error) {
      // After the end there is nothing left to reject.
      this.#fail(error);
    }
  }

  #readStatus(): SubscriptionStatus {
    switch (this.#delivery.state) {
      case "behind":
        return "behind";
      case "live":
        return this.#isConnected && this.#isAllowed ? "live" : "connecting";
      default:
        return "connecting";
    }
  }

  /** Ends the subscription with the error of the caller's code. */
  #fail(error: unknown): void {
    if (this.#delivery.state === "ended") return;
    this.#delivery.queue.clear();
    this.#end({ error });
  }

  #end(failure: Failure | undefined): void {
    if (this.#delivery.state === "ended") return;
    this.#delivery.end();
    this.#failure = failure;
    this.#feed.remove(this.#member);
    this.#abort.abort();
    this.#status = "closed";
    this.#wake();
    const error = failure?.error instanceof MemxError ? failure.error : undefined;
    if (error) this.#lastError = error;
    // After the last call of `onStatus`, because that one may throw too.
    queueMicrotask(async () => {
      let thrown: Failure | undefined;
      try {
        void Promise.resolve(this.#options.onStatus?.("closed", error)).catch(() => {});
      } catch (error) {
        thrown = { error };
      }
      this.#settle(failure ?? thrown);
    });
  }

  #settle(failure: Failure | undefined): void {
    if (!failure) this.#done.resolve();
    else {
      if (this.#readiness === "awaited") this.#markHandled(); // `ready` reports it.
      this.#done.reject(failure.error);
    }
    const closed = () => new MemxError("closed", "The subscription was closed before it was live.");
    this.#ready.reject(failure ? failure.error : closed());
  }

  #markHandled(): void {
    this.#done.promise.catch(() => {});
  }
}
