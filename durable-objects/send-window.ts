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
    this.#read(nowMs);
    this.#unread += chars;
  }

  /** Characters. `pingMs` is when the last ping came, 0 for never. */
  unread(nowMs: number, pingMs: number): number {
    if (pingMs > this.#pingMs) this.#unread = 0;
    this.#pingMs = pingMs;
    this.#read(nowMs);
    return this.#unread;
  }

  #read(nowMs: number): void {
    this.#unread = Math.max(0, this.#unread - ((nowMs - this.#atMs) / 1000) * this.#assumedRate);
    this.#atMs = nowMs;
  }
}
