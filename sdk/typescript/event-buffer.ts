// Events in memory, in order: bounded by their number and, because values may be large, by their size.

import type { ChangeEvent } from "./events.ts";

const MAX_CHARS = 8 * 1024 * 1024;

/** `chars` is the length of the event's text. */
export type BufferedEvent = { readonly event: ChangeEvent; readonly chars: number };

/** A marker in the queue: the consumer must forget what it has. */
export type ResetMarker = { readonly reset: number };

export class EventBuffer<Item extends BufferedEvent | ResetMarker = BufferedEvent> {
  readonly #maxItems: number;
  #items: Item[] = [];
  #chars = 0;

  constructor(maxItems: number) {
    this.#maxItems = maxItems;
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  /** Whether one more event stays within the bounds. `push` does not check it. */
  hasRoomFor({ chars }: BufferedEvent): boolean {
    return this.#items.length < this.#maxItems && this.#chars + chars <= MAX_CHARS;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#chars += sizeOf(item);
  }

  shift(): Item | undefined {
    const item = this.#items.shift();
    if (item) this.#chars -= sizeOf(item);
    return item;
  }

  /** Returns all items, and leaves the buffer empty. */
  takeAll(): readonly Item[] {
    const items = this.#items;
    this.clear();
    return items;
  }

  clear(): void {
    this.#items = [];
    this.#chars = 0;
  }
}

function sizeOf(item: BufferedEvent | ResetMarker): number {
  return "chars" in item ? item.chars : 0;
}
