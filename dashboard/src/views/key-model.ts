// One key as its view knows it: what memX has, kept up to date by the live feed.

import { signal } from "@preact/signals";
import { type ChangeEvent, escapeKey } from "../../../sdk/typescript/index.ts";
import type { Exact } from "../json/codec.ts";
import type { Memory } from "../keys/memory.ts";

export type Stored = {
  readonly text: string;
  readonly ts: number;
  readonly revision: number;
  readonly created?: number | undefined;
  readonly expires?: number | undefined;
  readonly by?: string | undefined;
};

export type StoredSchema = { readonly text: string; readonly revision: number };

/** A value may have 256 KiB. */
const MAX_CHANGES = 50;

export class KeyModel {
  readonly memory: Memory;
  readonly key: string;
  readonly mayRead: boolean;
  readonly mayWrite: boolean;
  /** `undefined` until it is known; `null` if there is none. */
  readonly entry = signal<Stored | null | undefined>(undefined);
  readonly schema = signal<StoredSchema | null | undefined>(undefined);
  /** Why the key could not be read. */
  readonly problem = signal<unknown>(undefined);
  /** The changes that have come since the view was opened, newest first. */
  readonly changes = signal<readonly ChangeEvent<Exact>[]>([]);
  #unlisten: (() => void) | undefined;

  constructor(memory: Memory, key: string) {
    this.memory = memory;
    this.key = key;
    this.mayRead = memory.mayRead(key);
    this.mayWrite = memory.mayWrite(key);
  }

  open(): () => void {
    this.#unlisten = this.memory.listen((event) => event.key === this.key && this.#hear(event));
    if (this.mayRead) void this.read();
    else this.entry.value = null;
    return () => this.#unlisten?.();
  }

  async read(): Promise<void> {
    try {
      const [entry, schema] = await Promise.all([this.#readEntry(), this.#readSchema()]);
      this.take(entry);
      if ((schema?.revision ?? 0) >= (this.schema.value?.revision ?? 0)) {
        this.schema.value = schema;
      }
      this.problem.value = undefined;
    } catch (error) {
      this.problem.value = error;
    }
  }

  /** The current entry, as memX has it now. */
  async #readEntry(): Promise<Stored | null> {
    const entry = await this.memory.memx.get<Exact>(this.key);
    return entry && { ...entry, text: entry.value.text };
  }

  /** Not with `GET /schema`, because browsers report its 404 as an error of the page. */
  async #readSchema(): Promise<StoredSchema | null> {
    const { changes } = await this.memory.readChanges({ pattern: escapeKey(this.key), event: "schema", since: 0 });
    const [found] = changes;
    return found?.event === "schema" && found.action === "set"
      ? { text: (found.schema as unknown as Exact).text, revision: found.revision }
      : null;
  }

  async readCurrent(): Promise<Stored | null> {
    const entry = await this.#readEntry();
    this.take(entry);
    return entry;
  }

  /** A response may be older than what the feed has brought meanwhile. */
  take(entry: Stored | null): void {
    const known = this.entry.value;
    const gone = this.changes.value[0];
    const newest = Math.max(known?.revision ?? 0, gone?.event === "value" ? gone.revision : 0);
    if (entry === null ? newest === 0 || known === undefined || known === null : entry.revision >= newest)
      this.entry.value = entry;
  }

  #hear(event: ChangeEvent<Exact>): void {
    this.changes.value = [event, ...this.changes.value].slice(0, MAX_CHANGES);
    if (event.event === "schema") {
      const schema = event.schema as Exact | undefined;
      this.schema.value = schema ? { text: schema.text, revision: event.revision } : null;
    } else if (event.revision > (this.entry.value?.revision ?? 0)) {
      this.entry.value = event.action === "set" ? { ...event, text: event.value.text } : null;
    }
  }
}
