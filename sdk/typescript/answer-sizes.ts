// How large the answers of a socket of calls may become. memX closes a socket with too much that the client has not read, so the
// client does not ask for more than that.

/** Calls that return the values of many keys. */
const WIDE = new Set(["read", "bulk", "keys", "history"]);
/** Calls that return a value or a schema, which may be large. */
const LARGE = new Set(["get", "patch", "schema_get"]);
const FIRST_CHARS = 1_024;
const FIRST_LARGE_CHARS = 128 * 1_024;
const FIRST_WIDE_CHARS = 1_024 * 1_024;

/** How much of an expectation is left after a smaller answer. */
const DECAY = 0.95;

export class AnswerSizes {
  readonly #expected = new Map<string, number>();

  /** Characters that the next answer to a call may have, judged by those before. */
  of(call: string): number {
    const first = WIDE.has(call) ? FIRST_WIDE_CHARS : LARGE.has(call) ? FIRST_LARGE_CHARS : FIRST_CHARS;
    return this.#expected.get(call) ?? first;
  }

  note(call: string, chars: number): void {
    this.#expected.set(call, Math.max(chars, this.of(call) * DECAY));
  }
}
