// One socket of a channel: which changes it wants, which changes wait while it joins, and how far it lags behind. State
// that must survive hibernation is in the socket's attachment; the rest is rebuilt.

import { LIMITS } from "../../config/limits.ts";
import { canOverlap } from "../../memory/access/glob-overlap.ts";
import type { Join } from "../../memory/channels/join.ts";
import { METRICS } from "../../memory/metrics.ts";
import { type Change, CLOSE_CODES, encodeReady, encodeReset, TRY_AGAIN_LATER } from "../../sdk/protocol.ts";
import type { ChangeFilter, ChangeFilters } from "./change-filter.ts";
import { EncodedChange } from "./encoded-change.ts";
import { SendWindow } from "./send-window.ts";
import { type Reader, STUCK_MS, type UnreadTotals } from "./unread-totals.ts";

export type Attachment = {
  readonly join: Join;
  /** Changes up to this revision are not sent live: they came before the subscriber, or it gets them as its backlog. */
  readonly from: number;
  /** The backlog is being sent, and live changes wait in memory. */
  readonly joining: boolean;
  /** When the socket was accepted, in milliseconds since the epoch. */
  readonly atMs: number;
  /** Characters that were unread at a time, in milliseconds since the epoch. Only from time to time: it is for a revival. */
  readonly unread?: { readonly chars: number; readonly ms: number };
  /** The channel's cursor, if this subscriber is a witness of it. */
  readonly cursor?: number | undefined;
};

/** What an attachment may grow by. A double takes as much room as any other. */
const GROWTH = { unread: { chars: 0.5, ms: 0.5 }, cursor: 0.5 };

/** Unread characters after which the attachment says so. */
const UNREAD_STEP = 1024 * 1024;

/** Work of a delivery, in the units of a turn, besides its filter and the characters that it sends. */
const DELIVERY_WORK = 500;

/** How often the sender of a backlog checks whether the client has read on, and after how long it gives up. */
const PACE_MS = 20;
const MAX_PACE_MS = 60_000;

/** What all subscribers of a channel share. */
export type Shared = { readonly filters: ChangeFilters; readonly unread: UnreadTotals };

export class Subscriber implements Reader {
  readonly #ctx: DurableObjectState;
  readonly #socket: WebSocket;
  readonly #shared: Shared;
  #filter: ChangeFilter;
  readonly #window: SendWindow;
  readonly #maxUnreadChars: number;
  #attachment: Attachment;
  #queue: Change[] = [];
  #queuedChars = 0;
  /** What the totals of the channel have of this subscriber. */
  #counted = 0;
  #stuckSinceMs: number;

  constructor(ctx: DurableObjectState, socket: WebSocket, shared: Shared, attachment: Attachment) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#shared = shared;
    this.#filter = shared.filters.of(attachment.join);
    this.#attachment = attachment;
    const { control, maxUnreadChars } = attachment.join;
    this.#window = new SendWindow(control ? 0 : LIMITS.assumedReadRate);
    this.#maxUnreadChars = maxUnreadChars;
    const { unread, atMs } = attachment;
    if (unread) this.#window.sent(unread.chars, unread.ms);
    this.#stuckSinceMs = unread?.ms ?? atMs;
    const nowMs = Date.now();
    if (unread) this.#count(this.#window.unread(nowMs), nowMs);
  }

  /**
   * For a new socket, before it is accepted.
   * @throws if the attachment is too large
   */
  static create(ctx: DurableObjectState, socket: WebSocket, shared: Shared, attachment: Attachment): Subscriber {
    socket.serializeAttachment({ ...attachment, ...GROWTH });
    socket.serializeAttachment(attachment);
    return new Subscriber(ctx, socket, shared, attachment);
  }

  /** For a socket that existed before hibernation. */
  static revive(ctx: DurableObjectState, socket: WebSocket, shared: Shared): Subscriber {
    return new Subscriber(ctx, socket, shared, socket.deserializeAttachment());
  }

  get keyHash(): string {
    return this.#attachment.join.keyHash;
  }

  get stuckSinceMs(): number {
    return this.#stuckSinceMs;
  }

  /** What it wants and may read. */
  get filter(): ChangeFilter {
    return this.#filter;
  }

  /** Whether it gets `ready` and `reset`, and so can be sent a snapshot. */
  get control(): boolean {
    return this.#attachment.join.control;
  }

  /** Changes after this revision are sent live. */
  get from(): number {
    return this.#attachment.from;
  }

  /** The channel's cursor, if this subscriber is a witness of it. */
  get cursor(): number | undefined {
    return this.#attachment.cursor;
  }

  /** Makes this subscriber a witness of the channel's cursor, or without one, no longer a witness. */
  keepCursor(cursor: number | undefined): void {
    if (cursor !== this.#attachment.cursor) this.#update({ cursor });
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  get joining(): boolean {
    return this.#attachment.joining;
  }

  /** Closes the connection of a memx.v1 client that no longer pings. A plain client never pings. */
  closeIfSilent(nowMs: number): void {
    const { join, atMs } = this.#attachment;
    if (join.subprotocol === undefined) return;
    // Times that are yet to come are from before the clock went back: the silence counts from now on.
    if (atMs > nowMs) this.#update({ atMs: nowMs });
    const pingedMs = this.#pingedMs();
    if (atMs > nowMs || nowMs - Math.max(atMs, pingedMs > nowMs ? 0 : pingedMs) <= LIMITS.maxSilenceMs) return;
    closeSocket(this.#socket, TRY_AGAIN_LATER, "The client sends no pings. Connect again.");
  }

  /**
   * Sets the scopes of a watcher, which from now on receives only what they allow, and is closed if that is nothing.
   * Returns whether the scopes are others than before.
   */
  limitTo(scopes: readonly string[]): boolean {
    const { join } = this.#attachment;
    if (join.scopes.length === scopes.length && scopes.every((scope, index) => scope === join.scopes[index]))
      return false;
    try {
      this.#socket.serializeAttachment({ ...this.#attachment, join: { ...join, scopes }, ...GROWTH });
      this.#update({ join: { ...join, scopes } });
      this.#filter = this.#shared.filters.of({ ...join, scopes });
    } catch {
      // The scopes do not fit into the attachment. A client that connects again gets the reason.
      this.interrupt();
      return true;
    }
    if (canOverlap(join.namespace, join.patterns, scopes)) return true;
    closeSocket(this.#socket, CLOSE_CODES.forbidden, "The API key may no longer read any key that matches a pattern.");
    return true;
  }

  /** Sends a live change, or queues it until the subscriber has joined. Returns the work, in the units of a turn. */
  deliver(encoded: EncodedChange, nowMs: number): number {
    const { change } = encoded;
    const work = DELIVERY_WORK + (this.#filter.knows(change) ? 0 : this.#filter.work);
    if (change.revision <= this.#attachment.from || !this.#filter.wants(change)) return work;
    const text = encoded.textFor(this);
    if (this.joining) this.#wait(change, text.length, nowMs);
    else this.#send(text, nowMs);
    return work + text.length / 8;
  }

  /** From now on changes after `from` wait, while `replay` and `reset` send the backlog. */
  startJoining(from: number): void {
    this.#update({ from, joining: true });
  }

  /** Sends a change of the backlog, no faster than the client reads. */
  async replay(encoded: EncodedChange): Promise<void> {
    if (!this.#filter.wants(encoded.change)) return;
    const isTight = () => this.#shared.unread.isTight(this.keyHash, Date.now());
    for (let waitedMs = 0; this.#lags(this.#maxUnreadChars / 2) || isTight(); waitedMs += PACE_MS) {
      if (waitedMs > MAX_PACE_MS) this.fallBehind();
      else if (waitedMs > 0 && waitedMs % STUCK_MS === 0) this.#shared.unread.closeStuck(Date.now());
      if (!this.open) throw new Error("The subscriber has left.");
      await scheduler.wait(PACE_MS);
    }
    this.#send(encoded.textFor(this));
  }

  reset(revision: number): void {
    METRICS.resets.add();
    this.#send(encodeReset(revision));
  }

  /** Sends the changes that waited. Later changes are sent live. */
  finishJoining(revision: number): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedChars = 0;
    for (const change of queue) this.#send(new EncodedChange(change).textFor(this));
    this.#update({ joining: false });
    // The last change may be on its way to other subscribers.
    this.ready(Math.max(revision, queue.at(-1)?.revision ?? 0));
  }

  ready(revision: number): void {
    if (this.control) this.#send(encodeReady(revision));
  }

  /** Closes the connection. The client connects again and resumes from its last revision. */
  interrupt(): void {
    closeSocket(this.#socket, TRY_AGAIN_LATER, "The channel was interrupted. Connect again.");
  }

  #send(text: string, nowMs = Date.now()): void {
    try {
      this.#socket.send(text);
    } catch {
      return; // The socket is closing or closed. The platform removes it from the list.
    }
    METRICS.eventsSent.add();
    const unread = this.#window.sent(text.length, nowMs);
    this.#count(unread, nowMs);
    if (unread > this.#maxUnreadChars && this.#lags(this.#maxUnreadChars)) this.fallBehind();
    else this.#shared.unread.enforce(this.keyHash, nowMs);
  }

  /** Counts what was sent and may be unread, and what waits to be sent. */
  recount(nowMs: number): number {
    if (!this.open) return 0;
    this.#window.pinged(this.#pingedMs());
    this.#count(this.#window.unread(nowMs), nowMs);
    return this.#counted;
  }

  #count(unread: number, nowMs: number): void {
    const chars = unread + this.#queuedChars;
    if (chars < this.#counted || chars === 0 || this.#stuckSinceMs > nowMs) this.#stuckSinceMs = nowMs;
    this.#shared.unread.add(this.keyHash, chars - this.#counted);
    this.#counted = chars;
    // Hibernation clears the window, but not what waits for the client.
    if (unread >= (this.#attachment.unread?.chars ?? 0) + UNREAD_STEP)
      this.#update({ unread: { chars: unread, ms: nowMs } });
  }

  #wait(change: Change, chars: number, nowMs: number): void {
    this.#queue.push(change);
    this.#queuedChars += chars;
    this.#count(this.#window.unread(nowMs), nowMs);
    if (this.#queuedChars > LIMITS.maxUnreadChars) this.fallBehind();
    else this.#shared.unread.enforce(this.keyHash, nowMs);
  }

  fallBehind(): void {
    if (this.open) METRICS.slowConsumers.add();
    this.#queue = [];
    this.#queuedChars = 0;
    this.#shared.unread.add(this.keyHash, -this.#counted);
    this.#counted = 0;
    closeSocket(
      this.#socket,
      TRY_AGAIN_LATER,
      "The client reads too slowly. Connect again and resume from the last revision.",
    );
  }

  #lags(chars: number): boolean {
    const nowMs = Date.now();
    if (this.#window.unread(nowMs) <= chars) return false;
    // Only now, because this runs for each socket and event.
    this.#window.pinged(this.#pingedMs());
    const unread = this.#window.unread(nowMs);
    this.#count(unread, nowMs);
    return unread > chars;
  }

  /** When the client last pinged, in milliseconds since the epoch; 0 for never. */
  #pingedMs(): number {
    return this.#ctx.getWebSocketAutoResponseTimestamp(this.#socket)?.getTime() ?? 0;
  }

  #update(attachment: Partial<Attachment>): void {
    this.#attachment = { ...this.#attachment, ...attachment };
    this.#socket.serializeAttachment(this.#attachment);
  }
}

export function closeSocket(socket: WebSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason);
  } catch {
    // The connection is broken, so no client is there to get the close.
  }
}
