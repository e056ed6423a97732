// The sockets of one key. Changes may come late, twice or out of order; they leave in the order of revisions, once.
// It keeps no values: what it missed it reads from the store's log.

import { DurableObject } from "cloudflare:workers";
import { type Change, type EventFilter, type EventKind, encodeEvent } from "../sdk/protocol.ts";
import { openStore } from "../worker/store/open-store.ts";
import type { Store } from "../worker/store/store.ts";

export class Channel extends DurableObject<Env> {
  readonly #store: Store;
  /** Every change up to this revision was sent. In storage too, because memory is lost when the object hibernates. */
  #cursor: number;
  /** Ends when all work that was begun so far has ended. */
  #work: Promise<unknown> = Promise.resolve();
  /** The registration that is under way. Whoever joins meanwhile shares it, however long the store takes to fail. */
  #registration: Promise<void> | undefined;
  /** Subscribers that are on their way in: registered for, perhaps, but not yet in the list of sockets. */
  #joining = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = openStore(env);
    this.#cursor = ctx.storage.kv.get<number>("cursor") ?? 0;
    // Answered by the platform, so an idle subscriber never wakes this object.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  /** Takes a subscriber, who then receives every change that is applied after this has answered. */
  override async fetch(request: Request): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const namespace = query.get("namespace") ?? "";
    const key = query.get("key") ?? "";
    const event = query.get("event") as EventFilter;
    this.#registration ??= this.#inTurn(() => this.#register(namespace, key)).finally(() => {
      this.#registration = undefined;
    });
    this.#joining++;
    try {
      await this.#registration;
    } finally {
      this.#joining--;
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, event === "all" ? ["value", "schema"] : [event]);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** From here on the store says `watched`, so a later change can not be applied without a word to this channel. */
  async #register(namespace: string, key: string): Promise<void> {
    const token = crypto.randomUUID();
    this.ctx.storage.kv.put("watch", token);
    const head = await this.#store.watch(namespace, key, token);
    if (this.#sockets().length > 0) await this.#catchUp(namespace, key, head);
    this.#advance(Math.max(head, this.#cursor));
  }

  /** Takes a change that was applied. Resolves when subscribers were sent it, here or by an earlier call. */
  async publish(namespace: string, change: Change): Promise<void> {
    return this.#inTurn(async () => {
      if (change.revision <= this.#cursor) return;
      if (this.#sockets().length + this.#joining === 0) return this.#unwatch(namespace, change.key);
      if (change.previous <= this.#cursor) return this.#broadcast(change);
      await this.#catchUp(namespace, change.key, change.revision);
      // The log may have let go of it while this channel was away.
      if (change.revision > this.#cursor) this.#broadcast(change);
    });
  }

  /** Without this answer a client that closes waits until it gives up, ten seconds in most, and then reports 1006. */
  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    try {
      // 1005 says that the client gave no code, and must not be sent (RFC 6455 §7.4.1).
      socket.close(code === 1005 ? 1000 : code, reason);
    } catch {
      // The connection broke, so nobody is there to be answered.
    }
  }

  /** One after the other: a join, a publish and a catch-up each read the cursor, wait for the store, and move it. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#work.then(step);
    this.#work = result.catch(() => {
      // Its caller was told; the next step does not depend on it.
    });
    return result;
  }

  // By token, so that one whose object died while it was under way can not end the watch of its successor.
  async #unwatch(namespace: string, key: string): Promise<void> {
    const token = this.ctx.storage.kv.get<string>("watch");
    if (token !== undefined) await this.#store.unwatch(namespace, key, token);
  }

  /** Sends what the log still holds between the cursor and `revision`. */
  async #catchUp(namespace: string, key: string, revision: number): Promise<void> {
    while (this.#cursor < revision) {
      const { changes, more } = await this.#store.readLog(namespace, key, this.#cursor);
      for (const change of changes) this.#broadcast(change);
      if (!more) return;
    }
  }

  #broadcast(change: Change): void {
    const text = encodeEvent(change);
    for (const socket of this.#sockets(change.event)) {
      try {
        socket.send(text);
      } catch {
        // It closed meanwhile; the platform takes it off the list.
      }
    }
    this.#advance(change.revision);
  }

  #advance(revision: number): void {
    if (revision === this.#cursor) return;
    this.#cursor = revision;
    // Unconfirmed, or every event would wait for the disk. A crash that loses it also ends the sockets it is about.
    void this.ctx.storage.put("cursor", revision, { allowUnconfirmed: true });
  }

  /** `getWebSockets` also lists those that are closing. */
  #sockets(event?: EventKind): WebSocket[] {
    return this.ctx.getWebSockets(event).filter(({ readyState }) => readyState === WebSocket.OPEN);
  }
}
