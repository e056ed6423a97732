// Who is on a channel: its sockets with their subscribers, the subscribers on their way in, and the limits on both.

import { LIMITS } from "../../config/limits.ts";
import { Turn } from "../turn.ts";
import { ChangeFilters } from "./change-filter.ts";
import type { EncodedChange } from "./encoded-change.ts";
import { type Attachment, type Shared, Subscriber } from "./subscriber.ts";
import { UnreadTotals } from "./unread-totals.ts";

/** Milliseconds after which the response to a handshake has left, or never will: by then the Worker has given up. */
const HANDSHAKE_MS = 10_000;

export class Roster {
  readonly #ctx: DurableObjectState;
  /** Only a cache. Hibernation clears it, and each subscriber is revived from the attachment of its socket. */
  readonly #subscribers = new WeakMap<WebSocket, Subscriber>();
  readonly #shared: Shared = { filters: new ChangeFilters(), unread: new UnreadTotals(() => this.open()) };
  /** Subscribers that the store may already watch for, but that have no socket yet: all, and those of each API key. */
  #arriving = 0;
  readonly #arrivingByKey = new Map<string, number>();
  /** The clients' ends of sockets in handshakes, with the time of each in milliseconds since the epoch. */
  #handshakes: { readonly client: WebSocket; readonly atMs: number }[] = [];
  /** One that was open. To ask for the list of sockets takes as long as sending to some of them. */
  #anyOpen: WebSocket | undefined;
  #reached = 0;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  /** Whether there are fewer subscribers than this, here or on their way in. */
  hasRoom(count: number): boolean {
    return !this.#has(count - this.#arriving);
  }

  /** Why the channel cannot take another subscriber with this API key; `undefined` if it can. */
  refusal(keyHash: string): string | undefined {
    if (this.#has(LIMITS.maxSubscribers - this.#arriving)) {
      return "The channel has reached its subscriber limit.";
    }
    if (this.#has(LIMITS.maxSubscribersPerApiKey - (this.#arrivingByKey.get(keyHash) ?? 0), keyHash)) {
      return "The API key has reached its subscriber limit for this channel.";
    }
    return undefined;
  }

  /** Counts one subscriber as arriving while `join` runs. */
  async arrive<T>(keyHash: string, join: () => Promise<T>): Promise<T> {
    this.#countArriving(keyHash, 1);
    try {
      return await join();
    } finally {
      this.#countArriving(keyHash, -1);
    }
  }

  #countArriving(keyHash: string, change: 1 | -1): void {
    this.#arriving += change;
    const ofKey = (this.#arrivingByKey.get(keyHash) ?? 0) + change;
    if (ofKey > 0) this.#arrivingByKey.set(keyHash, ofKey);
    else this.#arrivingByKey.delete(keyHash);
  }

  /**
   * Accepts one end of a pair. The other end goes into the response to the client.
   * @throws if the attachment is too large
   */
  accept({ 0: client, 1: socket }: InstanceType<typeof WebSocketPair>, attachment: Attachment): Subscriber {
    // The attachment first: the channel could not revive a socket without one.
    const subscriber = Subscriber.create(this.#ctx, socket, this.#shared, attachment);
    this.#ctx.acceptWebSocket(socket, [attachment.join.keyHash]);
    this.#subscribers.set(socket, subscriber);
    this.#handshakes.push({ client, atMs: attachment.atMs });
    return subscriber;
  }

  /** Frees the places of clients that have gone without a close. */
  removeGone(nowMs: number): void {
    const handshakes = this.#handshakes;
    // One that began in the future began before the clock went back.
    const isOver = ({ atMs }: { readonly atMs: number }) => atMs > nowMs || nowMs - atMs >= HANDSHAKE_MS;
    this.#handshakes = handshakes.filter((handshake) => !isOver(handshake));
    for (const handshake of handshakes) if (isOver(handshake)) closeUnsent(handshake.client);
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

  /** Sockets that are open. */
  count(): number {
    return this.#ctx.getWebSockets().filter(isOpen).length;
  }

  /** Sockets that are open or closing, and subscribers on their way in. */
  size(): number {
    return this.#ctx.getWebSockets().length + this.#arriving;
  }

  hasSockets(): boolean {
    if (!this.#anyOpen || !isOpen(this.#anyOpen)) this.#anyOpen = this.#ctx.getWebSockets().find(isOpen);
    return this.#anyOpen !== undefined;
  }

  /** Call it for each socket that leaves. */
  left(socket: WebSocket): void {
    if (socket === this.#anyOpen) this.#anyOpen = undefined;
  }

  /** Sockets that the last change was sent to. */
  get reached(): number {
    return this.#reached;
  }

  /** Subscribers whose sockets are open. */
  open(): Subscriber[] {
    return this.#ctx
      .getWebSockets()
      .filter(isOpen)
      .map((socket) => this.subscriber(socket));
  }

  /** Also those whose sockets are closing. */
  all(): Subscriber[] {
    return this.#ctx.getWebSockets().map((socket) => this.subscriber(socket));
  }

  /** Adds open subscribers to these, up to `count` of them. */
  first(count: number, known: readonly Subscriber[]): Subscriber[] {
    const found = [...known];
    for (const socket of this.#ctx.getWebSockets()) {
      if (found.length >= count) break;
      if (!isOpen(socket)) continue;
      const subscriber = this.subscriber(socket);
      if (!found.includes(subscriber)) found.push(subscriber);
    }
    return found;
  }

  subscriber(socket: WebSocket): Subscriber {
    const known = this.#subscribers.get(socket);
    if (known) return known;
    const revived = Subscriber.revive(this.#ctx, socket, this.#shared);
    this.#subscribers.set(socket, revived);
    return revived;
  }

  /** Delivers to the sockets that are there now. A newcomer does not get the change from here. */
  async deliver(encoded: EncodedChange): Promise<void> {
    const turn = new Turn();
    let nowMs = Date.now();
    const sockets = this.#ctx.getWebSockets();
    this.#reached = sockets.length;
    // Includes closing sockets, because checking the state of each one would take as long as sending.
    for (const socket of sockets) {
      if (!turn.isOver(this.subscriber(socket).deliver(encoded, nowMs))) continue;
      await turn.end();
      nowMs = Date.now();
    }
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
