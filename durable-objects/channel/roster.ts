// Who is on a channel: its sockets with their subscribers, the subscribers on their way in, and the limits on both.

import { LIMITS } from "../../config/limits.ts";
import type { EncodedChange } from "./encoded-change.ts";
import { type Attachment, Subscriber } from "./subscriber.ts";

/** Milliseconds after which the response to a handshake has left, or never will: by then the Worker has given up. */
const HANDSHAKE_MS = 10_000;

export class Roster {
  readonly #ctx: DurableObjectState;
  /** Only a cache. Hibernation clears it, and each subscriber is revived from the attachment of its socket. */
  readonly #subscribers = new WeakMap<WebSocket, Subscriber>();
  /** Subscribers that the store may already watch for, but that have no socket yet. */
  #arriving = 0;
  /** The clients' ends of sockets in handshakes, with the time of each in milliseconds since the epoch. */
  #handshakes: { readonly client: WebSocket; readonly atMs: number }[] = [];

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  /** Why the channel cannot take another subscriber with this API key; `undefined` if it can. */
  refusal(keyHash: string): string | undefined {
    if (this.#has(LIMITS.maxSubscribers - this.#arriving)) {
      return "The channel has reached its subscriber limit.";
    }
    if (this.#has(LIMITS.maxSubscribersPerApiKey, keyHash)) {
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

  /**
   * Accepts one end of a pair. The other end goes into the response to the client.
   * @throws if the attachment is too large
   */
  accept({ 0: client, 1: socket }: InstanceType<typeof WebSocketPair>, attachment: Attachment): Subscriber {
    // The attachment first: the channel could not revive a socket without one.
    const subscriber = Subscriber.create(this.#ctx, socket, attachment);
    this.#ctx.acceptWebSocket(socket, [attachment.join.keyHash]);
    this.#subscribers.set(socket, subscriber);
    this.#handshakes.push({ client, atMs: attachment.atMs });
    return subscriber;
  }

  /** Frees the places of clients that have gone without a close. */
  removeGone(nowMs: number): void {
    const handshakes = this.#handshakes;
    this.#handshakes = handshakes.filter(({ atMs }) => nowMs - atMs < HANDSHAKE_MS);
    for (const { client, atMs } of handshakes) if (nowMs - atMs >= HANDSHAKE_MS) closeUnsent(client);
    for (const subscriber of this.open()) subscriber.closeIfSilent(nowMs);
  }

  /** No open sockets, and no subscriber on its way in. */
  isEmpty(): boolean {
    return this.#arriving === 0 && !this.hasSockets();
  }

  /** Whether at least `count` sockets are open, of all or of one API key. */
  #has(count: number, keyHash?: string): boolean {
    const sockets = this.#ctx.getWebSockets(keyHash);
    // Looks at the state of each only if the sockets that are closing make the difference.
    return sockets.length >= count && sockets.filter(isOpen).length >= count;
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

/**
 * If the client leaves before the response has left this object, the platform drops the response, and its socket stays
 * open. Only then does the platform let this object accept the client's end.
 */
function closeUnsent(client: WebSocket): void {
  try {
    client.accept();
  } catch {
    return;
  }
  client.close(1001);
}

/** `getWebSockets` also lists sockets that are closing. */
function isOpen({ readyState }: WebSocket): boolean {
  return readyState === WebSocket.OPEN;
}
