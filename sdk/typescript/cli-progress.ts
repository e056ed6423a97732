// A progress bar on standard error, if that is a terminal.

const EVERY_MS = 200;
const WIDTH = 24;

export class Progress {
  readonly #does: string;
  readonly #total: number;
  readonly #beganMs = performance.now();
  #shownMs = 0;

  /** `total` is what `done` will reach, 0 if that is unknown. */
  constructor(does: string, total = 0) {
    this.#does = does;
    this.#total = total;
  }

  show(count: number, done = 0): void {
    const nowMs = performance.now();
    if (!process.stderr.isTTY || nowMs - this.#shownMs < EVERY_MS) return;
    this.#shownMs = nowMs;
    const perSecond = Math.round((count * 1_000) / Math.max(1, nowMs - this.#beganMs));
    const part = Math.min(1, done / this.#total);
    const filled = Math.round(part * WIDTH);
    const bar =
      this.#total > 0 ? `[${"#".repeat(filled)}${".".repeat(WIDTH - filled)}] ${Math.floor(part * 100)} %  ` : "";
    process.stderr.write(
      `\r\x1b[K${this.#does}  ${bar}${count.toLocaleString("en")}  ${perSecond.toLocaleString("en")}/s`,
    );
  }

  /** Removes the bar. */
  end(): void {
    if (this.#shownMs > 0) process.stderr.write("\r\x1b[K");
    this.#shownMs = 0;
  }
}
