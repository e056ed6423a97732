// Where a channel hears of changes: its watch at the store.

import type { Topic } from "../../memory/channels/topic.ts";
import type { Store, Watch } from "../../memory/store/store.ts";
import { watchToken } from "../../memory/store/watch-token.ts";

export class Upstream {
  readonly #kv: SyncKvStorage;
  readonly #store: Store;
  readonly #process: string | undefined;

  constructor({ kv, store, process }: { kv: SyncKvStorage; store: Store; process: string | undefined }) {
    this.#kv = kv;
    this.#store = store;
    this.#process = process;
  }

  /** Begins a registration, which the next `watch` makes and `unwatch` ends. */
  begin(topic: Topic): void {
    this.#kv.put("topic", topic);
    this.#kv.put("watch", watchToken(this.#process, this.#kv.get<string>("watch")));
  }

  /** Returns the store's last revision. Every later change is announced to this channel. */
  async watch({ namespace, key }: Topic): Promise<Watch> {
    return this.#store.watch(namespace, key, this.#kv.get<string>("watch") as string);
  }

  // By token, so that an unwatch that outlives its object cannot end the watch of the next one.
  async unwatch({ namespace, key }: Topic): Promise<void> {
    const token = this.#kv.get<string>("watch");
    if (token !== undefined) await this.#store.unwatch(namespace, key, token);
  }
}
