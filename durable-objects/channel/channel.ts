// The sockets of one key, or of all keys of a namespace. Changes may come late, twice or out of order; they leave in the
// order of revisions, once. It keeps no values: what it missed it reads from the store.

import { DurableObject } from "cloudflare:workers";
import pLimit from "p-limit";
import { LIMITS } from "../../config/limits.ts";
import { revocationMs } from "../../memory/access/revocation.ts";
import { readJoin } from "../../memory/channels/join.ts";
import type { Topic } from "../../memory/channels/topic.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { ALL_KEYS, type Store, type Watch } from "../../memory/store/store.ts";
import { type Change, encodeEvent } from "../../sdk/protocol.ts";
import { readHeld } from "./read-snapshot.ts";
import { recheck } from "./recheck-access.ts";
import { closeSocket, Subscriber } from "./subscriber.ts";

export class Channel extends DurableObject<Env> {
  readonly #store: Store;
  readonly #subscribers = new WeakMap<WebSocket, Subscriber>();
  /** Every change up to this revision was sent. In storage too, because memory is lost when the object hibernates. */
  #cursor: number;
  /** Ends when all work that was begun so far has ended. */
  #work: Promise<unknown> = Promise.resolve();
  /** The registration that is under way. Whoever joins meanwhile shares it, however long the store takes to fail. */
  #registration: Promise<number> | undefined;
  #noGapBeforeMs = 0;
  #rechecking = false;
  /** So many read the store at a time to join: one connection must be left for what happens now. */
  readonly #limitReads = pLimit(4);
  /** Subscribers that are on their way in: registered for, perhaps, but not yet in the list of sockets. */
  #arriving = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = openStore(env);
    this.#cursor = ctx.storage.kv.get<number>("cursor") ?? 0;
    // Answered by the platform, so an idle subscriber never wakes this object.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    // What waited for those who were joining was in memory.
    for (const subscriber of this.#all()) if (subscriber.joining) subscriber.interrupt();
  }

  /** Takes a subscriber, who then receives every change that is applied after this has answered. */
  override async fetch(request: Request): Promise<Response> {
    const join = readJoin(request);
    const { namespace, key, keyHash, since, subprotocol } = join;
    const topic = { namespace, key };
    if (this.ctx.getWebSockets().length + this.#arriving >= LIMITS.maxSubscribers) {
      return new Response("The channel has as many subscribers as it can take.", { status: 429 });
    }
    if (this.ctx.getWebSockets(keyHash).length >= LIMITS.maxSubscribersPerApiKey) {
      return new Response("The API key has as many subscribers here as it may have.", { status: 429 });
    }
    this.#arriving++;
    try {
      let head = await this.#registered(topic);
      // A registration that was shared may be older than what the subscriber has seen elsewhere.
      if (since !== undefined && since > head) head = await this.#registered(topic);
      // What lies between the cursor and the head is only for those who were there before.
      const from = Math.max(head, this.#cursor);
      const { 0: client, 1: server } = new WebSocketPair();
      // First, because a socket that could not be revived would stop the channel.
      const subscriber = Subscriber.create(this.ctx, server, { join, from, joining: since !== undefined });
      this.ctx.acceptWebSocket(server, [keyHash]);
      this.#subscribers.set(server, subscriber);
      if (since === undefined) subscriber.ready(from);
      else {
        const send = () => this.#sendSince(subscriber, topic, since, from);
        this.ctx.waitUntil(this.#bringUp(subscriber, from, send));
      }
      const headers = new Headers(subprotocol && { "sec-websocket-protocol": subprotocol });
      return new Response(null, { status: 101, webSocket: client, headers });
    } finally {
      this.#arriving--;
    }
  }

  /**
   * Takes a change that was applied. Resolves when subscribers were sent it, here or by an earlier call.
   * @param ttl seconds until a value expires that it set, or one of a change before it
   */
  async publish(topic: Topic, change: Change, ttl?: number): Promise<void> {
    return this.#inTurn(async () => {
      if (ttl !== undefined && !this.#isEmpty()) await this.#armAlarm(ttl * 1000);
      if (change.revision <= this.#cursor) return;
      if (this.#isEmpty()) return this.#unwatch(topic);
      if (!this.#follows(topic, change)) await this.#fillGap(topic);
      // It was the next one, or the log has let go of it.
      if (change.revision > this.#cursor) this.#broadcast(change);
    });
  }

  /**
   * Compares the channel with the store: makes up for announcements that were lost, and for a lost registration. The same
   * call of the store makes changes of what has expired. And asks whether everybody may still be here.
   */
  override async alarm(): Promise<void> {
    const topic = this.ctx.storage.kv.get<Topic>("topic") as Topic;
    // First, so that what follows does not put off the next.
    if (!this.#isEmpty()) await this.#armAlarm();
    void this.#recheck(topic);
    let nextMs: number | null = null;
    try {
      await this.#inTurn(async () => {
        if (this.#isEmpty()) return this.#unwatch(topic);
        const { head, expiresInMs } = await this.#watch(topic);
        nextMs = expiresInMs;
        if (head !== this.#cursor) await this.#catchUp(topic);
      });
    } catch (cause) {
      console.warn({ event: "repair_failed", cause });
    }
    if (!this.#isEmpty()) await this.#armAlarm(nextMs ?? undefined);
  }

  /** Without this answer a client that closes waits until it gives up, ten seconds in most, and then reports 1006. */
  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    // 1005 says that the client gave no code, and must not be sent (RFC 6455 §7.4.1).
    closeSocket(socket, code === 1005 ? 1000 : code, reason);
  }

  /** One after the other: each step reads the cursor, may wait for the store, and moves it. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#work.then(step);
    this.#work = result.catch(() => {
      // Its caller was told; the next step does not depend on it.
    });
    return result;
  }

  /** The store's last revision. Every later change is announced to this channel. */
  #registered(topic: Topic): Promise<number> {
    this.#registration ??= this.#inTurn(() => this.#register(topic)).finally(() => {
      this.#registration = undefined;
    });
    return this.#registration;
  }

  async #register(topic: Topic): Promise<number> {
    this.ctx.storage.kv.put("topic", topic);
    this.ctx.storage.kv.put("watch", crypto.randomUUID());
    const { head, expiresInMs } = await this.#watch(topic);
    await this.#armAlarm(expiresInMs ?? undefined);
    if (this.#sockets().length === 0) this.#moveTo(head);
    else if (head < this.#cursor) this.#startOver(topic, head);
    else if (head > this.#cursor) {
      // Not while the newcomer waits. Where it fails, the alarm tries again.
      void this.#inTurn(() => this.#catchUp(topic)).catch((cause) => console.warn({ event: "repair_failed", cause }));
    }
    return head;
  }

  async #watch({ namespace, key }: Topic): Promise<Watch> {
    return this.#store.watch(namespace, key, this.ctx.storage.kv.get<string>("watch") as string);
  }

  // By token, so that one whose object died while it was under way can not end the watch of its successor.
  async #unwatch({ namespace, key }: Topic): Promise<void> {
    const token = this.ctx.storage.kv.get<string>("watch");
    if (token !== undefined) await this.#store.unwatch(namespace, key, token);
  }

  /** For the next comparison, or earlier, when a value expires. */
  async #armAlarm(expiresInMs = Number.POSITIVE_INFINITY): Promise<void> {
    // Half as long again as for calls, in all, until a revoked API key is noticed.
    const intervalMs = Math.min(LIMITS.repairIntervalMs, revocationMs(this.env) / 2);
    const atMs = Date.now() + Math.min(expiresInMs, intervalMs);
    const earlier = await this.ctx.storage.getAlarm();
    if (earlier === null || (expiresInMs < intervalMs && earlier > atMs)) await this.ctx.storage.setAlarm(atMs);
  }

  /** One at a time, and not in turn: delivery does not wait for it, nor does repair. */
  async #recheck(topic: Topic): Promise<void> {
    if (this.#rechecking || this.#isEmpty()) return;
    this.#rechecking = true;
    try {
      await recheck(this.ctx, this.env, topic, (socket, scopes) => this.#subscriber(socket).limitTo(scopes));
    } catch (cause) {
      console.warn({ event: "recheck_failed", cause });
    } finally {
      this.#rechecking = false;
    }
  }

  /** Whether nothing is missing between what was sent and this change. */
  #follows({ key }: Topic, { revision, previous }: Change): boolean {
    return key === ALL_KEYS ? revision === this.#cursor + 1 : previous <= this.#cursor;
  }

  /** As `catchUp`, but not while the store has just failed: a queue of those would hold up everybody. The alarm tries again. */
  async #fillGap(topic: Topic): Promise<void> {
    if (Date.now() < this.#noGapBeforeMs) throw new Error("the store failed a moment ago");
    try {
      await this.#catchUp(topic);
    } catch (cause) {
      this.#noGapBeforeMs = Date.now() + 2_000;
      throw cause;
    }
  }

  /** Sends what the store has and the channel has not. */
  async #catchUp(topic: Topic): Promise<void> {
    for (;;) {
      const { changes, more, truncated, head } = await this.#store.readLog(topic.namespace, topic.key, this.#cursor);
      // Changes are lost to this channel, or it has sent some that the store has lost.
      if (truncated || head < this.#cursor) return this.#startOver(topic, head);
      for (const change of changes) this.#broadcast(change);
      if (!more) return this.#moveTo(Math.max(head, this.#cursor));
    }
  }

  /** Brings everybody up to `head` from where each stands, because the channel itself can not go on from its cursor. */
  #startOver(topic: Topic, head: number): void {
    const cursor = this.#cursor;
    this.#moveTo(head);
    for (const subscriber of this.#all()) {
      if (subscriber.joining) {
        subscriber.interrupt();
        continue;
      }
      const since = Math.max(cursor, subscriber.from);
      subscriber.startJoining(head);
      this.ctx.waitUntil(this.#bringUp(subscriber, head, () => this.#sendSince(subscriber, topic, since, head)));
    }
  }

  /** Sends what came after `since` up to `from`. Where the log has let go of some, what is held takes its place. */
  async #sendSince(subscriber: Subscriber, topic: Topic, since: number, from: number): Promise<void> {
    if (since === 0) return this.#sendHeld(subscriber, topic, 0, from);
    const replayed = since <= from && (await this.#replay(subscriber, topic, since, from));
    if (replayed) return;
    // A plain subscriber knows of no snapshots: it is sent what is newer than what it has, if that still stands.
    if (!subscriber.control) return this.#sendHeld(subscriber, topic, since > from ? 0 : since, from);
    subscriber.reset(from);
    await this.#sendHeld(subscriber, topic, 0, from);
  }

  /** Sends what is to be sent up to `from`, and then lets go of what has waited. */
  async #bringUp(subscriber: Subscriber, from: number, send: () => Promise<void>): Promise<void> {
    try {
      await send();
      subscriber.finishJoining(Math.max(from, this.#cursor));
    } catch (cause) {
      if (subscriber.open) console.warn({ event: "join_failed", cause });
      subscriber.interrupt();
    }
  }

  async #sendHeld(subscriber: Subscriber, topic: Topic, since: number, from: number): Promise<void> {
    for await (const change of readHeld(this.#store, topic, this.#limitReads)) {
      // What was changed after `from` waits already.
      if (change.revision > since && change.revision <= from) await subscriber.replay(change);
    }
  }

  /** Answers `false`, before anything is wrong, where the log does not reach back far enough. */
  async #replay(subscriber: Subscriber, topic: Topic, since: number, from: number): Promise<boolean> {
    for (let after = since; ; ) {
      const read = () => this.#store.readLog(topic.namespace, topic.key, after);
      const { changes, more, truncated } = await this.#limitReads(read);
      if (truncated) return false;
      for (const change of changes) {
        if (change.revision > from) return true;
        await subscriber.replay(change);
        after = change.revision;
      }
      if (!more) return true;
    }
  }

  #broadcast(change: Change): void {
    const text = encodeEvent(change);
    // Those that are closing among them, because to ask each would take as long as to send.
    for (const socket of this.ctx.getWebSockets()) this.#subscriber(socket).deliver(change, text);
    this.#moveTo(change.revision);
  }

  #moveTo(revision: number): void {
    if (revision === this.#cursor) return;
    this.#cursor = revision;
    // Unconfirmed, or every event would wait for the disk. A crash that loses it also ends the sockets it is about.
    void this.ctx.storage.put("cursor", revision, { allowUnconfirmed: true });
  }

  #isEmpty(): boolean {
    return this.#arriving + this.#sockets().length === 0;
  }

  /** `getWebSockets` also lists those that are closing. */
  #sockets(): WebSocket[] {
    return this.ctx.getWebSockets().filter(({ readyState }) => readyState === WebSocket.OPEN);
  }

  #all(): Subscriber[] {
    return this.#sockets().map((socket) => this.#subscriber(socket));
  }

  #subscriber(socket: WebSocket): Subscriber {
    const known = this.#subscribers.get(socket);
    if (known) return known;
    const revived = Subscriber.revive(this.ctx, socket);
    this.#subscribers.set(socket, revived);
    return revived;
  }
}
