// How much of what was sent to a client it may not have read yet. The platform does not tell. A memX client does, with its
// `ping`, which it sends after what it has read; a plain one is taken to read at a steady rate.

export class SendWindow {
  readonly #assumedRate: number;
  #unread = 0;
  #atMs = 0;
  #pingMs = 0;

  /** @param assumedRate characters a second */
  constructor(assumedRate: number) {
    this.#assumedRate = assumedRate;
  }

  sent(chars: number, nowMs: number): void {
    this.#unread = this.unread(nowMs) + chars;
  }

  /** A ping that came at `ms`; 0 for none. */
  pinged(ms: number): void {
    if (ms > this.#pingMs) this.#unread = 0;
    this.#pingMs = ms;
  }

  /** Characters. */
  unread(nowMs: number): number {
    this.#unread = Math.max(0, this.#unread - ((nowMs - this.#atMs) / 1000) * this.#assumedRate);
    this.#atMs = nowMs;
    return this.#unread;
  }
}
