// One socket of a channel: what it wants, what waits for it while it joins, and how far it lags behind. What has to
// outlive hibernation is in the socket's attachment; the rest is made anew.

import { LIMITS } from "../../config/limits.ts";
import type { Join } from "../../memory/channels/join.ts";
import { type Change, encodeEvent, encodeReady, encodeReset, TRY_AGAIN_LATER } from "../../sdk/protocol.ts";
import { type ChangeFilter, compileFilter } from "./change-filter.ts";
import { SendWindow } from "./send-window.ts";

export type Attachment = {
  readonly join: Join;
  /** Changes up to this revision are not sent as they happen: the subscriber came after them, or is sent them otherwise. */
  readonly from: number;
  /** It is being sent what came before, and what happens meanwhile waits in memory. */
  readonly joining: boolean;
};

/** How often a sender looks whether a client has read on, and after how long it gives up. */
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
   * Of a socket that is about to be accepted.
   * @throws where the attachment is too large
   */
  static create(ctx: DurableObjectState, socket: WebSocket, attachment: Attachment): Subscriber {
    socket.serializeAttachment(attachment);
    return new Subscriber(ctx, socket, attachment);
  }

  /** Of a socket that was there before hibernation. */
  static revive(ctx: DurableObjectState, socket: WebSocket): Subscriber {
    return new Subscriber(ctx, socket, socket.deserializeAttachment());
  }

  /** Whether it is told `ready` and `reset`, and so can be sent a snapshot. */
  get control(): boolean {
    return this.#attachment.join.control;
  }

  /** It is sent changes after this revision as they happen. */
  get from(): number {
    return this.#attachment.from;
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  get joining(): boolean {
    return this.#attachment.joining;
  }

  /** From now on a watcher may read this much, and receives no more. */
  limitTo(scopes: readonly string[]): void {
    const { join } = this.#attachment;
    if (join.scopes.length === scopes.length && scopes.every((scope, index) => scope === join.scopes[index])) return;
    this.#filter = undefined;
    try {
      this.#update({ join: { ...join, scopes } });
    } catch {
      // More than a socket can keep. Whoever connects again is told so.
      this.interrupt();
    }
  }

  /** Takes a change that happens now: sends its text, or keeps it until the subscriber has joined. */
  deliver(change: Change, text: string): void {
    if (change.revision <= this.#attachment.from || !this.#wants(change)) return;
    if (this.joining) this.#wait(change, text.length);
    else this.#send(text);
  }

  /** From now on changes after `from` wait, while `replay` and `reset` send what came before. */
  startJoining(from: number): void {
    this.#update({ from, joining: true });
  }

  /** Sends a change of before, no faster than the client reads. */
  async replay(change: Change): Promise<void> {
    if (!this.#wants(change)) return;
    for (let waitedMs = 0; this.#lags(this.#maxUnreadChars / 2); waitedMs += PACE_MS) {
      if (waitedMs > MAX_PACE_MS) this.#fallBehind();
      if (!this.open) throw new Error("the subscriber has left");
      await scheduler.wait(PACE_MS);
    }
    this.#send(encodeEvent(change));
  }

  reset(revision: number): void {
    this.#send(encodeReset(revision));
  }

  /** Sends what waited, and from now on everything as it happens. */
  finishJoining(revision: number): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedChars = 0;
    for (const change of queue) this.#send(encodeEvent(change));
    this.#update({ joining: false });
    this.ready(revision);
  }

  ready(revision: number): void {
    if (this.control) this.#send(encodeReady(revision));
  }

  /** Ends the connection: the client connects again and goes on from what it has. */
  interrupt(): void {
    closeSocket(this.#socket, TRY_AGAIN_LATER, "The channel was interrupted. Connect again.");
  }

  #send(text: string): void {
    try {
      this.#socket.send(text);
    } catch {
      return; // It is closing, or was closed; the platform takes it off the list.
    }
    if (this.#window.sent(text.length, Date.now()) <= this.#maxUnreadChars) return;
    if (this.#lags(this.#maxUnreadChars)) this.#fallBehind();
  }

  // Compiled only now, because an object that wakes up for an alarm has thousands of them and no change for any.
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
    closeSocket(this.#socket, TRY_AGAIN_LATER, "You read too slowly. Connect again, and go on from the last revision.");
  }

  #lags(chars: number): boolean {
    if (this.#window.unread(Date.now()) <= chars) return false;
    // Only now, because it is asked for each socket and event.
    this.#window.pinged(this.#ctx.getWebSocketAutoResponseTimestamp(this.#socket)?.getTime() ?? 0);
    return this.#window.unread(Date.now()) > chars;
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
    // The connection broke, so nobody is there to be told.
  }
}
