// Listens for what other memX processes on the same Redis write, and tells the memX of this one. Each namespace has a Redis
// channel; the feed subscribes to those in which this memX watches anything. Redis forgets a message that nobody receives, so
// after a lost connection the feed names the topics of which it may have missed one.

import { setTimeout as sleep } from "node:timers/promises";
import type { Subscriber } from "./redis-subscriber.ts";

/** As long as a mark in Redis lasts, unless its channel renews it. */
const WATCHED_MS = 300_000;
const FORGET_EVERY_MS = 60_000;
/** Between attempts to tell a memX that does not respond. */
const RETRY_MS = 200;
/** More characters than these that memX has not taken are dropped, and count as missed. */
const MAX_QUEUED_CHARS = 32 * 1024 * 1024;

export class NewsFeed {
  readonly #subscriber: Subscriber;
  /** For each Redis channel, the watched keys of its namespace and when each was last watched. */
  readonly #watched = new Map<string, Map<string, number>>();
  #url: string | undefined;
  #messages: string[] = [];
  #queuedChars = 0;
  #hasMissed = false;
  #telling = false;
  readonly #forgetting: NodeJS.Timeout;

  private constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber;
    this.#forgetting = setInterval(() => this.#forget(), FORGET_EVERY_MS).unref();
  }

  static async open(subscriber: Subscriber): Promise<NewsFeed> {
    const feed = new NewsFeed(subscriber);
    await subscriber.start({
      hear: (message) => feed.#hear(message),
      missed: () => feed.#miss(),
    });
    return feed;
  }

  /** Notices what a call of watch.lua watches. Resolves when the feed hears of its changes, or cannot reach Redis. */
  async watch(command: readonly string[]): Promise<void> {
    const keys = Number(command[2]);
    const { tag, key } = /^\{memx:(?<tag>[^}]*)\}:entry:(?<key>.*)$/s.exec(command[2 + keys] ?? "")?.groups ?? {};
    if (tag === undefined || key === undefined) return;
    const channel = `{memx:${tag}}:news`;
    const known = this.#watched.get(channel) ?? new Map<string, number>();
    this.#watched.set(channel, known.set(key, performance.now()));
    await this.#subscriber.subscribe(channel);
  }

  /** Tells the memX at this address from now on, which watches nothing yet. */
  tell(url: string | undefined): void {
    this.#url = url;
    this.#drop();
    this.#hasMissed = false;
    this.#watched.clear();
  }

  close(): void {
    this.#url = undefined;
    clearInterval(this.#forgetting);
    this.#subscriber.close();
  }

  /** The first line of a message says which processes it is for, and memX looks there itself. */
  #hear(message: string): void {
    this.#queuedChars += message.length;
    if (this.#queuedChars > MAX_QUEUED_CHARS) this.#miss();
    else this.#messages.push(message);
    void this.#tellAll();
  }

  #miss(): void {
    this.#drop();
    this.#hasMissed = true;
    void this.#tellAll();
  }

  #drop(): void {
    this.#messages = [];
    this.#queuedChars = 0;
  }

  /** One request at a time, so that messages arrive in order. */
  async #tellAll(): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    while (this.#url !== undefined && (this.#messages.length > 0 || this.#hasMissed)) {
      const url = this.#url;
      const body = JSON.stringify({ messages: this.#messages, ...(this.#hasMissed && { missed: this.#topics() }) });
      this.#drop();
      this.#hasMissed = false;
      try {
        const { ok, body: rest } = await fetch(url, { method: "POST", body });
        await rest?.cancel();
        if (!ok) throw new Error("memX did not take the news.");
      } catch {
        // Unless another memX has taken its place.
        if (url === this.#url) this.#hasMissed = true;
        await sleep(RETRY_MS);
      }
    }
    this.#telling = false;
  }

  #topics(): { namespace: string; key: string }[] {
    return [...this.#watched].flatMap(([channel, keys]) => {
      const namespace = decodeURIComponent(channel.slice("{memx:".length, channel.indexOf("}")));
      return [...keys.keys()].map((key) => ({ namespace, key }));
    });
  }

  #forget(): void {
    const endedBefore = performance.now() - WATCHED_MS;
    for (const [channel, keys] of this.#watched) {
      for (const [key, atMs] of keys) if (atMs < endedBefore) keys.delete(key);
      if (keys.size > 0) continue;
      this.#watched.delete(channel);
      this.#subscriber.unsubscribe(channel);
    }
  }
}
