// Who is on a channel: its sockets with their subscribers, the subscribers on their way in, and the limits on both.

import { LIMITS } from "../../config/limits.ts";
import type { EncodedChange } from "./encoded-change.ts";
import { type Attachment, Subscriber } from "./subscriber.ts";

export class Roster {
  readonly #ctx: DurableObjectState;
  /** Only a cache. Hibernation clears it, and each subscriber is revived from the attachment of its socket. */
  readonly #subscribers = new WeakMap<WebSocket, Subscriber>();
  /** Subscribers that the store may already watch for, but that have no socket yet. */
  #arriving = 0;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  /** Why the channel cannot take another subscriber with this API key; `undefined` if it can. */
  refusal(keyHash: string): string | undefined {
    if (this.#ctx.getWebSockets().length + this.#arriving >= LIMITS.maxSubscribers) {
      return "The channel has reached its subscriber limit.";
    }
    if (this.#ctx.getWebSockets(keyHash).length >= LIMITS.maxSubscribersPerApiKey) {
      return "The API key has reached its subscriber limit for this channel.";
    }
    return undefined;
  }

  /** Counts one subscriber as arriving while `join` runs. */
  async arrive<T>(join: () => Promise<T>): Promise<T> {
    this.#arriving++;
    try {
      return await join();
    } finally {
      this.#arriving--;
    }
  }

  /** @throws if the attachment is too large */
  accept(socket: WebSocket, attachment: Attachment): Subscriber {
    // The attachment first: the channel could not revive a socket without one.
    const subscriber = Subscriber.create(this.#ctx, socket, attachment);
    this.#ctx.acceptWebSocket(socket, [attachment.join.keyHash]);
    this.#subscribers.set(socket, subscriber);
    return subscriber;
  }

  /** No open sockets, and no subscriber on its way in. */
  isEmpty(): boolean {
    return this.#arriving === 0 && !this.hasSockets();
  }

  hasSockets(): boolean {
    return this.#ctx.getWebSockets().some(isOpen);
  }

  /** Subscribers whose sockets are open. */
  open(): Subscriber[] {
    return this.#ctx
      .getWebSockets()
      .filter(isOpen)
      .map((socket) => this.subscriber(socket));
  }

  subscriber(socket: WebSocket): Subscriber {
    const known = this.#subscribers.get(socket);
    if (known) return known;
    const revived = Subscriber.revive(this.#ctx, socket);
    this.#subscribers.set(socket, revived);
    return revived;
  }

  deliver(encoded: EncodedChange): void {
    // Includes closing sockets, because checking the state of each one would take as long as sending.
    for (const socket of this.#ctx.getWebSockets()) this.subscriber(socket).deliver(encoded);
  }
}

/** `getWebSockets` also lists sockets that are closing. */
function isOpen({ readyState }: WebSocket): boolean {
  return readyState === WebSocket.OPEN;
}
