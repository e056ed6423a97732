// How large the answers of a socket of calls may become. memX closes a socket with too much that the client has not read, so the
// client does not ask for more than that.

/** Calls that return the values of many keys. */
const WIDE = new Set(["read", "bulk", "keys", "history"]);
const FIRST_CHARS = 1_024;
const FIRST_WIDE_CHARS = 1_024 * 1_024;

/** How much of an expectation is left after a smaller answer. */
const DECAY = 0.95;

export class AnswerSizes {
  readonly #expected = new Map<string, number>();

  /** Characters that the next answer to a call may have, judged by those before. */
  of(call: string): number {
    return this.#expected.get(call) ?? (WIDE.has(call) ? FIRST_WIDE_CHARS : FIRST_CHARS);
  }

  note(call: string, chars: number): void {
    this.#expected.set(call, Math.max(chars, this.of(call) * DECAY));
  }
}
