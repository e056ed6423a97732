// Sends a subscriber what comes before live changes: the changes that it missed, from the store's log, or a snapshot if
// the log no longer reaches back far enough.

import pLimit from "p-limit";
import type { Topic } from "../../memory/channels/topic.ts";
import type { Store } from "../../memory/store/store.ts";
import { readSnapshot } from "./read-snapshot.ts";
import type { Subscriber } from "./subscriber.ts";

export class Backlog {
  readonly #store: Store;
  /** Only 4 of the platform's 6 simultaneous connections, so that a live change always finds one free. */
  readonly #limitReads = pLimit(4);

  constructor(store: Store) {
    this.#store = store;
  }

  /** Sends the changes after `since`, up to and including `head`. */
  async send(subscriber: Subscriber, topic: Topic, since: number, head: number): Promise<void> {
    if (since === 0) return this.#sendSnapshot(subscriber, topic, 0, head);
    const replayed = since <= head && (await this.#replay(subscriber, topic, since, head));
    if (replayed) return;
    // A plain subscriber does not understand `reset`. It gets only the part of the snapshot that is newer than `since`.
    if (!subscriber.control) return this.#sendSnapshot(subscriber, topic, since > head ? 0 : since, head);
    subscriber.reset(head);
    await this.#sendSnapshot(subscriber, topic, 0, head);
  }

  /** Returns `false` if changes are missing from the log. Everything sent until then is correct. */
  async #replay(subscriber: Subscriber, topic: Topic, since: number, head: number): Promise<boolean> {
    for (let after = since; ; ) {
      const read = () => this.#store.readLog(topic.namespace, topic.key, after);
      const { changes, more, truncated } = await this.#limitReads(read);
      if (truncated) return false;
      for (const change of changes) {
        if (change.revision > head) return true;
        await subscriber.replay(change);
        after = change.revision;
      }
      if (!more) return true;
    }
  }

  async #sendSnapshot(subscriber: Subscriber, topic: Topic, since: number, head: number): Promise<void> {
    for await (const change of readSnapshot(this.#store, topic, this.#limitReads)) {
      // Changes after `head` already wait in the subscriber's queue.
      if (change.revision > since && change.revision <= head) await subscriber.replay(change);
    }
  }
}
