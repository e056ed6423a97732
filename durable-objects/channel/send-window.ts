// How much of what was sent to a client it may not have read yet. The platform does not tell. A memX client does, with its
// `ping`, which it sends after what it has read; a plain one is taken to read at a steady rate.

import { LIMITS } from "../../config/limits.ts";

/** Characters between two marks of when what was sent, and how many are kept: as far back as matters. */
const MARK_CHARS = 128 * 1024;
const MAX_MARKS = 2 * (LIMITS.maxUnreadChars / MARK_CHARS);

export class SendWindow {
  readonly #assumedRate: number;
  /** Characters so far: what was sent, and what of it was read for sure, or may be taken to be. */
  #sent = 0;
  #read = 0;
  #atMs = 0;
  /** Up to which character all was sent by when; oldest first. */
  #marks: { readonly sent: number; readonly ms: number }[] = [];

  /** @param assumedRate characters a second */
  constructor(assumedRate: number) {
    this.#assumedRate = assumedRate;
  }

  /** Answers how many characters are unread then. */
  sent(chars: number, nowMs: number): number {
    const unread = this.unread(nowMs) + chars;
    this.#sent += chars;
    if (this.#sent - (this.#marks.at(-1)?.sent ?? this.#read) >= MARK_CHARS) {
      this.#marks.push({ sent: this.#sent, ms: nowMs });
      if (this.#marks.length > MAX_MARKS) this.#marks.shift();
    }
    return unread;
  }

  /** A ping that came at `ms`: what was sent before it was read. */
  pinged(ms: number): void {
    while (this.#marks[0] && this.#marks[0].ms < ms) {
      this.#read = Math.max(this.#read, this.#marks[0].sent);
      this.#marks.shift();
    }
  }

  /** Characters. */
  unread(nowMs: number): number {
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#read = Math.min(this.#sent, this.#read + (passedMs / 1000) * this.#assumedRate);
    return this.#sent - this.#read;
  }
}
