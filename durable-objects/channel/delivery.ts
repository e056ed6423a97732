// What moves a channel's cursor. Changes may arrive late, twice or out of order; they leave once each, in the order of
// their revisions. It keeps no values: it reads missed changes from the store.

import type { Topic } from "../../memory/channels/topic.ts";
import { log } from "../../memory/log.ts";
import { ALL_KEYS, type Store } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { Backlog } from "./backlog.ts";
import { EncodedChange } from "./encoded-change.ts";
import type { Forward, Links } from "./links.ts";
import type { Roster } from "./roster.ts";
import type { Subscriber } from "./subscriber.ts";
import type { Witness } from "./witness.ts";

/** For how long after a store failure no gap is filled. */
const GAP_PAUSE_MS = 2_000;

export class Delivery {
  readonly #witness: Witness;
  readonly #store: Store;
  readonly #roster: Roster;
  readonly #links: Links;
  readonly #backlog: Backlog;
  readonly #nowMs: () => number;
  readonly #waitUntil: (work: Promise<void>) => void;
  #cursor: number;
  /** The cursor, or while a change is on its way to the subscribers, the revision before it. */
  #delivered: number;
  /** Settles when all steps begun so far have settled. */
  #work: Promise<unknown> = Promise.resolve();
  #noGapBeforeMs = 0;
  /** The witnesses left while the object slept, and the cursor is not found yet. */
  #isLost = false;

  constructor({
    witness,
    store,
    roster,
    links,
    nowMs,
    waitUntil,
  }: {
    witness: Witness;
    store: Store;
    roster: Roster;
    /** The relays, which get every change that the subscribers get. */
    links: Links;
    nowMs: () => number;
    waitUntil: (work: Promise<void>) => void;
  }) {
    this.#witness = witness;
    this.#store = store;
    this.#roster = roster;
    this.#links = links;
    this.#backlog = new Backlog(store);
    this.#nowMs = nowMs;
    this.#waitUntil = waitUntil;
    const { cursor } = witness;
    this.#cursor = cursor ?? 0;
    this.#delivered = this.#cursor;
    if (cursor === undefined) this.#work = this.#findCursor();
    else {
      this.#links.start(cursor);
      this.keepCursor();
    }
  }

  /** The channel has sent every change up to this revision, or sends it to all who were there before. Its witnesses have it, too. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Without a cursor, nothing tells what the subscribers have received. The first step waits for this. */
  async #findCursor(): Promise<void> {
    this.#isLost = true;
    const cursor = await this.#witness.wait();
    this.#isLost = false;
    if (cursor === undefined) for (const subscriber of this.#roster.open()) subscriber.interrupt();
    this.#links.start(cursor ?? 0);
    this.#moveTo(cursor ?? 0);
    this.keepCursor();
  }

  /** Runs one step after the other: each reads the cursor, may wait for the store, and moves the cursor. */
  inTurn<T>(step: () => Promise<T>): Promise<T> {
    // A step may close witnesses.
    const result = this.#work.then(step).finally(() => this.keepCursor());
    this.#work = result.catch(() => {
      // The caller of this step gets the error; the next step does not depend on it.
    });
    return result;
  }

  /** Sends `change`, after the earlier changes that the channel has missed. Call it in turn. */
  async deliver(topic: Topic, change: Change, gaplessSince?: number): Promise<void> {
    if (!this.#isNext(topic, change, gaplessSince)) await this.#fillGap(topic);
    // It was the next one, or the log no longer has it.
    if (change.revision > this.#cursor) await this.#broadcast(change);
  }

  /**
   * Sends the changes that the store has and the channel has not sent. Returns how many of them should have been announced,
   * which an expiry is not. Call it in turn.
   */
  async catchUp(topic: Topic): Promise<number> {
    for (let announced = 0; ; ) {
      const { changes, more, truncated, head } = await this.#store.readLog(topic.namespace, topic.key, this.#cursor);
      // Either the log has lost changes that this channel has not sent, or the store has lost changes that it has sent.
      if (truncated || head < this.#cursor) {
        this.#startOver(topic, head);
        return announced;
      }
      for (const change of changes) {
        if (change.action !== "expire") announced++;
        await this.#broadcast(change);
      }
      if (more) continue;
      this.#moveTo(Math.max(head, this.#cursor));
      return announced;
    }
  }

  /** Call it when sockets come or leave, because some of them keep the cursor. */
  keepCursor(): void {
    if (!this.#isLost) this.#witness.keep(this.#cursor);
  }

  /** Forgets the cursor, because the channel deletes all it stored. Call it in turn. */
  forget(): void {
    this.#cursor = 0;
  }

  /**
   * Receives what a relay's parent has sent. Either it says what comes after the cursor, or the log does. Call it in turn.
   */
  async receive(topic: Topic, { after, upTo, changes }: Omit<Forward, "token">): Promise<void> {
    if (upTo <= this.#cursor) return;
    const follows = after <= this.#cursor;
    if (!follows) await this.#fillGap(topic);
    for (const change of changes) if (change.revision > this.#cursor) await this.#broadcast(change);
    if (follows && upTo > this.#cursor) this.#moveTo(upTo);
  }

  /**
   * Begins to follow from `head`, the store's revision when it registered the channel, or that of a relay's parent. Call it in
   * turn.
   */
  follow(topic: Topic, head: number, isRelay: boolean): void {
    if (!this.#roster.hasSockets() && this.#links.isEmpty()) this.#moveTo(head);
    // Only the store itself can show that it went back.
    else if (head < this.#cursor && !isRelay) this.#startOver(topic, head);
    else if (head !== this.#cursor) {
      // The newcomer does not wait for this. If it fails, the alarm tries again.
      void this.inTurn(() => this.catchUp(topic)).catch((cause) => log("warn", "repair_failed", { cause }));
    }
  }

  /** Sends a new subscriber the changes after `since`, up to `from`, and then live changes. */
  join(subscriber: Subscriber, topic: Topic, since: number | undefined, from: number): void {
    this.keepCursor();
    if (since === undefined) subscriber.ready(from);
    else this.#waitUntil(this.#bringUp(subscriber, topic, since, from));
  }

  /**
   * Whether the channel has sent everything before this change. It may also have sent changes that the store has lost:
   * then its cursor is in a gap of the store's count, and `previous` says nothing about it.
   */
  #isNext({ key }: Topic, { revision, previous }: Change, gaplessSince = Number.POSITIVE_INFINITY): boolean {
    if (key === ALL_KEYS) return revision === this.#cursor + 1;
    return previous <= this.#cursor && gaplessSince <= this.#cursor;
  }

  /** Like `catchUp`, but fails fast right after a store failure, so queued changes do not pile up behind timeouts. */
  async #fillGap(topic: Topic): Promise<void> {
    const pauseMs = this.#noGapBeforeMs - this.#nowMs();
    // A longer pause means that the clock has gone back.
    if (pauseMs > 0 && pauseMs <= GAP_PAUSE_MS) throw new Error("The store failed a moment ago.");
    try {
      await this.catchUp(topic);
    } catch (cause) {
      this.#noGapBeforeMs = this.#nowMs() + GAP_PAUSE_MS;
      throw cause;
    }
  }

  /** Brings every subscriber from where it stands to `head`, because the channel cannot go on from its own cursor. */
  #startOver(topic: Topic, head: number): void {
    const cursor = this.#cursor;
    this.#moveTo(head);
    this.#links.nudge();
    for (const subscriber of this.#roster.open()) {
      if (subscriber.joining) {
        subscriber.interrupt();
        continue;
      }
      const since = Math.max(cursor, subscriber.from);
      subscriber.startJoining(head);
      this.#waitUntil(this.#bringUp(subscriber, topic, since, head));
    }
  }

  async #bringUp(subscriber: Subscriber, topic: Topic, since: number, from: number): Promise<void> {
    try {
      await this.#backlog.send(subscriber, topic, since, from);
      subscriber.finishJoining(Math.max(from, this.#delivered));
    } catch (cause) {
      if (subscriber.open) log("warn", "join_failed", { cause });
      subscriber.interrupt();
    }
  }

  async #broadcast(change: Change): Promise<void> {
    const delivered = this.#delivered;
    // First, so that a newcomer during the delivery gets the change from its backlog, and not live.
    this.#moveTo(change.revision);
    this.#links.offer(change);
    this.#delivered = delivered;
    await this.#roster.deliver(new EncodedChange(change));
    this.#delivered = change.revision;
  }

  #moveTo(revision: number): void {
    this.#delivered = revision;
    if (revision === this.#cursor) return;
    this.#cursor = revision;
    this.keepCursor();
  }
}
