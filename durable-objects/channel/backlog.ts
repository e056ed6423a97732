// Sends a subscriber what comes before live changes: the changes that it missed, from the store's log, or a snapshot if
// the log no longer reaches back far enough. A snapshot is not of one moment: it may include changes that are made
// meanwhile, which their revisions tell.

import type { Topic } from "../../memory/channels/topic.ts";
import type { Store } from "../../memory/store/store.ts";
import { BacklogPages } from "./backlog-pages.ts";
import type { Subscriber } from "./subscriber.ts";

export class Backlog {
  readonly #pages: BacklogPages;
  #joining = 0;

  constructor(store: Store) {
    this.#pages = new BacklogPages(store);
  }

  /** Sends the changes after `since`, up to and including `head`. Call it when `head` is known, without a delay. */
  async send(subscriber: Subscriber, topic: Topic, since: number, head: number): Promise<void> {
    const joinedAt = this.#pages.now();
    this.#joining++;
    try {
      await this.#send(subscriber, topic, since, head, joinedAt);
    } finally {
      if (--this.#joining === 0) this.#pages.clear();
    }
  }

  async #send(subscriber: Subscriber, topic: Topic, since: number, head: number, joinedAt: number): Promise<void> {
    if (since === 0) return this.#sendSnapshot(subscriber, topic, 0, head, joinedAt);
    const replayed = since <= head && (await this.#replay(subscriber, topic, since, head, joinedAt));
    if (replayed) return;
    // A plain subscriber does not understand `reset`. It gets only the part of the snapshot that is newer than `since`.
    if (!subscriber.control) return this.#sendSnapshot(subscriber, topic, since > head ? 0 : since, head, joinedAt);
    subscriber.reset(head);
    await this.#sendSnapshot(subscriber, topic, 0, head, joinedAt);
  }

  /** Returns `false` if changes are missing from the log. Everything sent until then is correct. */
  async #replay(subscriber: Subscriber, topic: Topic, since: number, head: number, joinedAt: number): Promise<boolean> {
    for await (const page of inTurns(this.#pages.log(topic, subscriber.filter, since, joinedAt))) {
      if (page === null) return false;
      for (const encoded of page) {
        if (encoded.change.revision > head) return true;
        await subscriber.replay(encoded);
      }
    }
    return true;
  }

  async #sendSnapshot(
    subscriber: Subscriber,
    topic: Topic,
    since: number,
    head: number,
    joinedAt: number,
  ): Promise<void> {
    for await (const page of inTurns(this.#pages.snapshot(topic, subscriber.filter, since, joinedAt))) {
      for (const encoded of page) {
        const { revision } = encoded.change;
        // Changes after `head` already wait in the subscriber's queue.
        if (revision > since && revision <= head) await subscriber.replay(encoded);
      }
    }
  }
}

/** Ends the turn between two pages: a page that another subscriber has read takes no time to read. */
async function* inTurns<T>(pages: AsyncIterable<T>): AsyncGenerator<T> {
  let isFirst = true;
  for await (const page of pages) {
    if (!isFirst) await scheduler.wait(0);
    isFirst = false;
    yield page;
  }
}
