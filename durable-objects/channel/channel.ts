// The Durable Object of one key, or of all keys of a namespace. It registers with the store, takes subscribers and changes,
// and repairs what went wrong with an alarm. The roster knows who is on it; the delivery moves its cursor.

import { DurableObject } from "cloudflare:workers";
import { LIMITS } from "../../config/limits.ts";
import { revocationMs } from "../../memory/access/revocation.ts";
import { readJoin } from "../../memory/channels/join.ts";
import type { Topic } from "../../memory/channels/topic.ts";
import { log } from "../../memory/log.ts";
import { openStore } from "../../memory/store/open-store.ts";
import type { Store, Watch } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { Delivery } from "./delivery.ts";
import { recheckAccess } from "./recheck-access.ts";
import { Roster } from "./roster.ts";
import { closeSocket } from "./subscriber.ts";

export class Channel extends DurableObject<Env> {
  readonly #store: Store;
  readonly #roster: Roster;
  readonly #delivery: Delivery;
  /** The registration that is under way. Subscribers that join meanwhile share it, however long the store takes to fail. */
  #registration: Promise<number> | undefined;
  #rechecking = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = openStore(env);
    this.#roster = new Roster(ctx);
    this.#delivery = new Delivery({
      storage: ctx.storage,
      store: this.#store,
      roster: this.#roster,
      nowMs: () => Date.now(),
      waitUntil: (work) => ctx.waitUntil(work),
    });
    // Answered by the platform, so an idle subscriber never wakes this object.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    // Changes that waited for a joining subscriber were only in memory, and are gone.
    for (const subscriber of this.#roster.open()) if (subscriber.joining) subscriber.interrupt();
  }

  /** Takes a subscriber, who then receives every change that is applied after this has returned. */
  override async fetch(request: Request): Promise<Response> {
    const join = readJoin(request);
    const { namespace, key, keyHash, since, subprotocol } = join;
    const topic = { namespace, key };
    const refusal = this.#roster.refusal(keyHash);
    if (refusal !== undefined) return new Response(refusal, { status: 429 });
    return this.#roster.arrive(async () => {
      let head = await this.#registered(topic);
      // A shared registration may be older than what the subscriber has seen elsewhere.
      if (since !== undefined && since > head) head = await this.#registered(topic);
      // Changes between the cursor and the head are only for subscribers that were there before.
      const from = Math.max(head, this.#delivery.cursor);
      const { 0: client, 1: server } = new WebSocketPair();
      const subscriber = this.#roster.accept(server, { join, from, joining: since !== undefined });
      this.#delivery.join(subscriber, topic, since, from);
      const headers = new Headers(subprotocol && { "sec-websocket-protocol": subprotocol });
      return new Response(null, { status: 101, webSocket: client, headers });
    });
  }

  /**
   * Takes a change that was applied. Resolves when subscribers were sent it, here or by an earlier call.
   * @param ttl seconds until a value expires that it set, or one of a change before it
   */
  async publish(topic: Topic, change: Change, ttl?: number): Promise<void> {
    return this.#delivery.inTurn(async () => {
      if (ttl !== undefined && !this.#roster.isEmpty()) await this.#armAlarm(ttl * 1000);
      if (change.revision <= this.#delivery.cursor) return;
      if (this.#roster.isEmpty()) return this.#unwatch(topic);
      await this.#delivery.deliver(topic, change);
    });
  }

  /**
   * Compares the channel with the store: makes up for announcements that were lost, and for a lost registration. The same
   * call of the store makes changes of what has expired. And asks whether everybody may still be here.
   */
  override async alarm(): Promise<void> {
    const topic = this.ctx.storage.kv.get<Topic>("topic") as Topic;
    // First, so that what follows does not put off the next.
    if (!this.#roster.isEmpty()) await this.#armAlarm();
    void this.#recheck(topic);
    let nextMs: number | null = null;
    try {
      await this.#delivery.inTurn(async () => {
        if (this.#roster.isEmpty()) return this.#unwatch(topic);
        const { head, expiresInMs } = await this.#watch(topic);
        nextMs = expiresInMs;
        if (head !== this.#delivery.cursor) await this.#delivery.catchUp(topic);
      });
    } catch (cause) {
      log("warn", "repair_failed", { cause });
    }
    if (!this.#roster.isEmpty()) await this.#armAlarm(nextMs ?? undefined);
  }

  /** Without this answer a client that closes waits until it gives up, ten seconds in most, and then reports 1006. */
  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    // 1005 says that the client gave no code, and must not be sent (RFC 6455 §7.4.1).
    closeSocket(socket, code === 1005 ? 1000 : code, reason);
  }

  /** The store's last revision. Every later change is announced to this channel. */
  #registered(topic: Topic): Promise<number> {
    this.#registration ??= this.#delivery
      .inTurn(() => this.#register(topic))
      .finally(() => {
        this.#registration = undefined;
      });
    return this.#registration;
  }

  async #register(topic: Topic): Promise<number> {
    this.ctx.storage.kv.put("topic", topic);
    this.ctx.storage.kv.put("watch", crypto.randomUUID());
    const { head, expiresInMs } = await this.#watch(topic);
    await this.#armAlarm(expiresInMs ?? undefined);
    this.#delivery.follow(topic, head);
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
    if (this.#rechecking || this.#roster.isEmpty()) return;
    this.#rechecking = true;
    try {
      await recheckAccess(this.ctx, this.env, topic, (socket, scopes) =>
        this.#roster.subscriber(socket).limitTo(scopes),
      );
    } catch (cause) {
      log("warn", "recheck_failed", { cause });
    } finally {
      this.#rechecking = false;
    }
  }
}
