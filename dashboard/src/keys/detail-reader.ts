// Reads the values of the rows on screen, a screenful per call, to show their type, size and time left.

import type { MemX } from "../../../sdk/typescript/index.ts";
import type { Exact } from "../json/codec.ts";
import { glance } from "../json/describe.ts";
import type { Leaf } from "./tree.ts";

const WAIT_MS = 60;
const MAX_KEYS = 100;
const RETRY_MS = 3_000;

export class DetailReader {
  readonly #memx: MemX;
  readonly #onRead: () => void;
  #wanted = new Set<Leaf>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReading = false;

  constructor(memx: MemX, onRead: () => void) {
    this.#memx = memx;
    this.#onRead = onRead;
  }

  /** Replaces what was wanted before: rows that have left the screen need no value. */
  want(leaves: readonly Leaf[]): void {
    this.#wanted = new Set(leaves.filter(({ detail, revision }) => detail === undefined || detail.revision < revision));
    if (this.#wanted.size > 0) this.#schedule(WAIT_MS);
  }

  #schedule(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // The rows may have left the screen meanwhile.
      if (!this.#isReading && this.#wanted.size > 0) void this.#read();
    }, ms);
  }

  async #read(): Promise<void> {
    const leaves = [...this.#wanted].slice(0, MAX_KEYS);
    for (const leaf of leaves) this.#wanted.delete(leaf);
    this.#isReading = true;
    try {
      await this.#readAll(leaves);
      this.#onRead();
    } catch {
      // memX is away; the page says so elsewhere.
      for (const leaf of leaves) this.#wanted.add(leaf);
      this.#schedule(RETRY_MS);
    }
    this.#isReading = false;
    if (this.#wanted.size > 0) this.#schedule(0);
  }

  async #readAll(leaves: readonly Leaf[]): Promise<void> {
    try {
      const { entries } = await this.#memx.getMany<Exact>(leaves.map(({ key }) => key));
      for (const [index, entry] of entries.entries()) {
        const leaf = leaves[index] as Leaf;
        if (!entry || entry.revision < leaf.revision) continue;
        const { revision, ts, expires, by, value } = entry;
        Object.assign(leaf, { revision, ts, detail: { ...glance(value.text), revision, expires, by } });
      }
    } catch (error) {
      // Together they may be more than one response carries.
      if ((error as { code?: string }).code !== "too_large" || leaves.length < 2) throw error;
      const middle = leaves.length >>> 1;
      await this.#readAll(leaves.slice(0, middle));
      await this.#readAll(leaves.slice(middle));
    }
  }
}
