// Runs calls about one key in the order in which they came, as far as that shows: reads of a key run beside each other, and
// every write of it runs alone. Calls about different keys do not wait for each other.

type Line = {
  /** The last write, or `undefined` if it has ended. */
  write: Promise<void> | undefined;
  /** The reads since then. */
  readonly reads: Set<Promise<void>>;
};

export type Turn = {
  /** Resolves when every call before this one has ended. `undefined` if there is none. */
  readonly ready: Promise<unknown> | undefined;
  /** Call it when the call has ended. */
  leave(): void;
};

export class KeyOrder {
  readonly #lines = new Map<string, Line>();

  enter(keys: readonly string[], kind: "read" | "write"): Turn {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const before = new Set<Promise<void>>();
    const own = new Map<string, Line>();
    for (const key of new Set(keys)) {
      const line = this.#lines.get(key) ?? { write: undefined, reads: new Set() };
      if (line.write) before.add(line.write);
      if (kind === "read") {
        line.reads.add(ended);
        this.#lines.set(key, line);
        own.set(key, line);
      } else {
        for (const read of line.reads) before.add(read);
        // The next call waits for this write, which waits for every call before it.
        const next = { write: ended, reads: new Set<Promise<void>>() };
        this.#lines.set(key, next);
        own.set(key, next);
      }
    }
    return {
      ready: before.size > 0 ? Promise.all(before) : undefined,
      leave: () => {
        for (const [key, line] of own) {
          if (kind === "read") line.reads.delete(ended);
          else line.write = undefined;
          if (!line.write && line.reads.size === 0 && this.#lines.get(key) === line) this.#lines.delete(key);
        }
        resolve();
      },
    };
  }
}
