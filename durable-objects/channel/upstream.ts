// Where a channel hears of changes: its watch at the store. A relay hears of them from its parent.

import { nodeName, type Place, parentOf, type Topic } from "../../memory/channels/topic.ts";
import { withDeadline } from "../../memory/deadline.ts";
import type { Store, Watch } from "../../memory/store/store.ts";
import { watchToken } from "../../memory/store/watch-token.ts";

/** The part of a parent that a relay calls. */
export type Parent = {
  relayWatch(topic: Topic, place: Place, token: string): Promise<Watch>;
  relayUnwatch(topic: Topic, place: Place, token: string): Promise<void>;
};

/** How long a parent may take. The changes of its relay wait meanwhile. */
const PARENT_MS = 5_000;

type Options = {
  readonly kv: SyncKvStorage;
  readonly store: Store;
  readonly process: string | undefined;
  readonly open: (name: string) => Parent;
};

export class Upstream {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Where this relay is; `undefined` for the channel itself. */
  get place(): Place | undefined {
    return this.#options.kv.get<Place>("place");
  }

  /** Begins a registration, which the next `watch` makes and `unwatch` ends. */
  begin(topic: Topic, place: Place | undefined): void {
    const { kv, process } = this.#options;
    kv.put("topic", topic);
    if (place) kv.put("place", place);
    kv.put("watch", watchToken(process, kv.get<string>("watch")));
  }

  /**
   * Returns the last revision of the store or parent. Every later change is announced to this node.
   * @throws {ApiError} `store_unavailable`
   */
  async watch(topic: Topic): Promise<Watch> {
    const { kv, store } = this.#options;
    const { place } = this;
    const token = kv.get<string>("watch") as string;
    if (place) return withDeadline(this.#parent(topic, place).relayWatch(topic, place, token), PARENT_MS);
    return store.watch(topic.namespace, topic.key, token);
  }

  // By token, so that an unwatch that outlives its object cannot end the watch of the next one.
  async unwatch(topic: Topic): Promise<void> {
    const { kv, store } = this.#options;
    const { place } = this;
    const token = kv.get<string>("watch");
    if (token === undefined) return;
    if (place) await withDeadline(this.#parent(topic, place).relayUnwatch(topic, place, token), PARENT_MS);
    else await store.unwatch(topic.namespace, topic.key, token);
  }

  #parent(topic: Topic, place: Place): Parent {
    return this.#options.open(nodeName(topic, parentOf(place)));
  }
}
