// One socket of a channel: which changes it wants, which changes wait while it joins, and how far it lags behind. State
// that must survive hibernation is in the socket's attachment; the rest is rebuilt.

import { LIMITS } from "../../config/limits.ts";
import { canOverlap } from "../../memory/access/glob-overlap.ts";
import type { Join } from "../../memory/channels/join.ts";
import { type Change, CLOSE_CODES, encodeReady, encodeReset, TRY_AGAIN_LATER } from "../../sdk/protocol.ts";
import { type ChangeFilter, compileFilter } from "./change-filter.ts";
import { EncodedChange } from "./encoded-change.ts";
import { SendWindow } from "./send-window.ts";

export type Attachment = {
  readonly join: Join;
  /** Changes up to this revision are not sent live: they came before the subscriber, or it gets them as its backlog. */
  readonly from: number;
  /** The backlog is being sent, and live changes wait in memory. */
  readonly joining: boolean;
  /** When the socket was accepted, in milliseconds since the epoch. */
  readonly atMs: number;
};

/** How often the sender of a backlog checks whether the client has read on, and after how long it gives up. */
const PACE_MS = 20;
const MAX_PACE_MS = 60_000;

export class Subscriber {
  readonly #ctx: DurableObjectState;
  readonly #socket: WebSocket;
  #filter: ChangeFilter | undefined;
  readonly #window: SendWindow;
  readonly #maxUnreadChars: number;
  #attachment: Attachment;
  #queue: Change[] = [];
  #queuedChars = 0;

  constructor(ctx: DurableObjectState, socket: WebSocket, attachment: Attachment) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#attachment = attachment;
    const { control, maxUnreadChars } = attachment.join;
    this.#window = new SendWindow(control ? 0 : LIMITS.assumedReadRate);
    this.#maxUnreadChars = maxUnreadChars;
  }

  /**
   * For a new socket, before it is accepted.
   * @throws if the attachment is too large
   */
  static create(ctx: DurableObjectState, socket: WebSocket, attachment: Attachment): Subscriber {
    socket.serializeAttachment(attachment);
    return new Subscriber(ctx, socket, attachment);
  }

  /** For a socket that existed before hibernation. */
  static revive(ctx: DurableObjectState, socket: WebSocket): Subscriber {
    return new Subscriber(ctx, socket, socket.deserializeAttachment());
  }

  /** Whether it gets `ready` and `reset`, and so can be sent a snapshot. */
  get control(): boolean {
    return this.#attachment.join.control;
  }

  /** Changes after this revision are sent live. */
  get from(): number {
    return this.#attachment.from;
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
    if (join.subprotocol === undefined || nowMs - Math.max(atMs, this.#pingedMs()) <= LIMITS.maxSilenceMs) return;
    closeSocket(this.#socket, TRY_AGAIN_LATER, "The client sends no pings. Connect again.");
  }

  /** Sets the scopes of a watcher, which from now on receives only what they allow, and is closed if that is nothing. */
  limitTo(scopes: readonly string[]): void {
    const { join } = this.#attachment;
    if (join.scopes.length === scopes.length && scopes.every((scope, index) => scope === join.scopes[index])) return;
    this.#filter = undefined;
    try {
      this.#update({ join: { ...join, scopes } });
    } catch {
      // The scopes do not fit into the attachment. A client that connects again gets the reason.
      this.interrupt();
      return;
    }
    if (canOverlap(join.namespace, join.patterns, scopes)) return;
    closeSocket(this.#socket, CLOSE_CODES.forbidden, "The API key may no longer read any key that matches a pattern.");
  }

  /** Sends a live change, or queues it until the subscriber has joined. */
  deliver(encoded: EncodedChange): void {
    const { change } = encoded;
    if (change.revision <= this.#attachment.from || !this.#wants(change)) return;
    const text = encoded.textFor(this);
    if (this.joining) this.#wait(change, text.length);
    else this.#send(text);
  }

  /** From now on changes after `from` wait, while `replay` and `reset` send the backlog. */
  startJoining(from: number): void {
    this.#update({ from, joining: true });
  }

  /** Sends a change of the backlog, no faster than the client reads. */
  async replay(change: Change): Promise<void> {
    if (!this.#wants(change)) return;
    for (let waitedMs = 0; this.#lags(this.#maxUnreadChars / 2); waitedMs += PACE_MS) {
      if (waitedMs > MAX_PACE_MS) this.#fallBehind();
      if (!this.open) throw new Error("The subscriber has left.");
      await scheduler.wait(PACE_MS);
    }
    this.#send(new EncodedChange(change).textFor(this));
  }

  reset(revision: number): void {
    this.#send(encodeReset(revision));
  }

  /** Sends the changes that waited. Later changes are sent live. */
  finishJoining(revision: number): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedChars = 0;
    for (const change of queue) this.#send(new EncodedChange(change).textFor(this));
    this.#update({ joining: false });
    this.ready(revision);
  }

  ready(revision: number): void {
    if (this.control) this.#send(encodeReady(revision));
  }

  /** Closes the connection. The client connects again and resumes from its last revision. */
  interrupt(): void {
    closeSocket(this.#socket, TRY_AGAIN_LATER, "The channel was interrupted. Connect again.");
  }

  #send(text: string): void {
    try {
      this.#socket.send(text);
    } catch {
      return; // The socket is closing or closed. The platform removes it from the list.
    }
    if (this.#window.sent(text.length, Date.now()) <= this.#maxUnreadChars) return;
    if (this.#lags(this.#maxUnreadChars)) this.#fallBehind();
  }

  // Compiled on first use: an object that wakes for an alarm may have thousands of filters and no change for any.
  #wants(change: Change): boolean {
    this.#filter ??= compileFilter(this.#attachment.join);
    return this.#filter(change);
  }

  #wait(change: Change, chars: number): void {
    this.#queue.push(change);
    this.#queuedChars += chars;
    if (this.#queuedChars > LIMITS.maxUnreadChars) this.#fallBehind();
  }

  #fallBehind(): void {
    this.#queue = [];
    closeSocket(
      this.#socket,
      TRY_AGAIN_LATER,
      "The client reads too slowly. Connect again and resume from the last revision.",
    );
  }

  #lags(chars: number): boolean {
    if (this.#window.unread(Date.now()) <= chars) return false;
    // Only now, because this runs for each socket and event.
    this.#window.pinged(this.#pingedMs());
    return this.#window.unread(Date.now()) > chars;
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
