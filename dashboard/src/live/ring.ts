// The newest changes, up to a number, oldest first.

export type Seen = {
  readonly revision: number;
  readonly key: string;
  readonly event: "value" | "schema";
  readonly action: "set" | "delete" | "expire";
  /** Seconds since the epoch. */
  readonly ts: number;
  readonly by: string | undefined;
  readonly preview: string;
  readonly bytes: number | undefined;
};

export class Ring {
  readonly #limit: number;
  #items: Seen[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get items(): readonly Seen[] {
    return this.#items;
  }

  add(seen: readonly Seen[]): void {
    const last = this.#items.at(-1)?.revision ?? 0;
    const items = [...this.#items, ...seen];
    // A snapshot comes key by key.
    const isOrdered = seen.every(({ revision }, index) => revision > (seen[index - 1]?.revision ?? last));
    if (!isOrdered) items.sort((a, b) => a.revision - b.revision);
    this.#items = items.slice(-this.#limit);
  }

  clear(): void {
    this.#items = [];
  }
}
