// Estimates how many of the characters that were sent a client has not read yet. The platform does not report this. A
// memX client reports it with its `ping`, which it sends after what it has read; a plain client is assumed to read at a
// steady rate.

import { LIMITS } from "../../config/limits.ts";

/** Characters between two marks. */
const MARK_CHARS = 128 * 1024;
/** Twice as many as the limit on unread characters can need. */
const MAX_MARKS = 2 * (LIMITS.maxUnreadChars / MARK_CHARS);

export class SendWindow {
  readonly #assumedRate: number;
  /** Characters so far: those that were sent, and those of them that were read, for sure or by assumption. */
  #sent = 0;
  #read = 0;
  #atMs = 0;
  /** Each records when everything up to the character `sent` had been sent; oldest first. */
  #marks: { readonly sent: number; readonly ms: number }[] = [];

  /** @param assumedRate characters a second */
  constructor(assumedRate: number) {
    this.#assumedRate = assumedRate;
  }

  /** Records a message that was sent. Returns how many characters are then unread. */
  sent(chars: number, nowMs: number): number {
    const unread = this.unread(nowMs) + chars;
    this.#sent += chars;
    if (this.#sent - (this.#marks.at(-1)?.sent ?? this.#read) >= MARK_CHARS) {
      this.#marks.push({ sent: this.#sent, ms: nowMs });
      if (this.#marks.length > MAX_MARKS) this.#marks.shift();
    }
    return unread;
  }

  /** Records a ping that came at `ms`: the client has read everything that was sent before. */
  pinged(ms: number): void {
    while (this.#marks[0] && this.#marks[0].ms < ms) {
      this.#read = Math.max(this.#read, this.#marks[0].sent);
      this.#marks.shift();
    }
  }

  /** Returns the number of unread characters. */
  unread(nowMs: number): number {
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#read = Math.min(this.#sent, this.#read + (passedMs / 1000) * this.#assumedRate);
    return this.#sent - this.#read;
  }
}
