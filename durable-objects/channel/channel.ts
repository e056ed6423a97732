// The Durable Object of one key, or of all keys of a namespace. It accepts subscribers, receives changes, and repairs
// lost announcements with an alarm. The roster holds its sockets; the delivery moves its cursor.

import { DurableObject } from "cloudflare:workers";
import { LIMITS } from "../../config/limits.ts";
import { relaySettings } from "../../config/relay-settings.ts";
import { revocationMs } from "../../memory/access/revocation.ts";
import { type Join, LEAVES_HEADER, readJoin } from "../../memory/channels/join.ts";
import { nodeName, type Place, parentOf, type Topic } from "../../memory/channels/topic.ts";
import { withDeadline } from "../../memory/deadline.ts";
import { exportMetrics } from "../../memory/export-metrics.ts";
import { log } from "../../memory/log.ts";
import { METRICS } from "../../memory/metrics.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { ALL_KEYS, type Watch } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { bringForward } from "../bring-forward.ts";
import { Delivery } from "./delivery.ts";
import { type Forward, type Forwarded, Links } from "./links.ts";
import { addSockets, setSockets, socketsOf } from "./namespace-sockets.ts";
import { recheckAccess } from "./recheck-access.ts";
import { Roster } from "./roster.ts";
import { closeSocket } from "./subscriber.ts";
import { Upstream } from "./upstream.ts";
import { Witness } from "./witness.ts";

/** How long a call to a relay may take. */
const FORWARD_MS = 5_000;

export class Channel extends DurableObject<Env> {
  readonly #upstream: Upstream;
  readonly #roster: Roster;
  readonly #witness: Witness;
  readonly #links: Links;
  readonly #delivery: Delivery;
  /** The next registration. Subscribers share it until it begins: the head of one under way may lack what was written since. */
  #registration: Promise<number> | undefined;
  #rechecking = false;
  /** Relays that are registering. */
  #relaysArriving = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const store = openStore(env);
    const { kv } = ctx.storage;
    const nowMs = () => Date.now();
    const waitUntil = (work: Promise<void>) => ctx.waitUntil(work);
    const open = (name: string) => env.CHANNEL.getByName(name);
    this.#upstream = new Upstream({ kv, store, process: env.MEMX_PROCESS, open });
    this.#roster = new Roster(ctx);
    this.#links = new Links({
      tokens: kv.get<Record<string, string>>("relays") ?? {},
      store: (tokens) => {
        kv.put("relays", tokens);
        this.#countRelays();
      },
      cursor: () => this.#delivery.cursor,
      open,
      inTurn: (step) => this.#delivery.inTurn(step),
      waitUntil,
      deadline: (call) => withDeadline(call, FORWARD_MS),
      wait: (ms) => scheduler.wait(ms),
    });
    this.#witness = new Witness(ctx.storage, this.#roster, () => !this.#links.isEmpty());
    this.#delivery = new Delivery({
      witness: this.#witness,
      store,
      roster: this.#roster,
      links: this.#links,
      nowMs,
      waitUntil,
    });
    // Answered by the platform, so an idle subscriber never wakes this object.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    // Changes queued for a joining subscriber were only in memory, so they are lost.
    for (const subscriber of this.#roster.open()) if (subscriber.joining) subscriber.interrupt();
    void bringForward(ctx.storage, Date.now() + LIMITS.repairIntervalMs);
  }

  /** Accepts a subscriber, which then receives every change that is applied after this returns. */
  override async fetch(request: Request): Promise<Response> {
    const join = readJoin(request);
    const { namespace, key, keyHash, since, subprotocol, place } = join;
    const topic = { namespace, key };
    const redirect = this.#redirect(join);
    if (redirect) return redirect;
    const refusal = this.#roster.refusal(keyHash) ?? this.#namespaceRefusal(namespace);
    if (refusal !== undefined) return new Response(refusal, { status: 429 });
    addSockets(this.ctx.id.toString(), namespace, 1);
    const joined = this.#roster.arrive(keyHash, async () => {
      let head = await this.#registered(topic, place);
      // A shared registration may be older than what the subscriber has seen elsewhere.
      if (since !== undefined && since > head) head = await this.#registered(topic, place);
      // Changes between the cursor and the head are only for subscribers that were there before.
      const from = Math.max(head, this.#delivery.cursor);
      const pair = new WebSocketPair();
      const joining = since !== undefined;
      const subscriber = this.#roster.accept(pair, { join, from, joining, atMs: Date.now() });
      METRICS.subscriptions.add();
      METRICS.sockets.change(this.ctx.id.toString(), kindOf(topic), 1);
      this.#delivery.join(subscriber, topic, since, from);
      const headers = new Headers(subprotocol && { "sec-websocket-protocol": subprotocol });
      return new Response(null, { status: 101, webSocket: pair[0], headers });
    });
    joined.catch(() => addSockets(this.ctx.id.toString(), namespace, -1));
    return joined;
  }

  /**
   * Receives an applied change. Resolves with the number of subscribers once they have been sent it, by this call or an
   * earlier one.
   * @param ttl seconds until the first expiry among the values that the same write has set
   * @param gaplessSince as in `AppliedChange`
   */
  async publish(topic: Topic, change: Change, ttl?: number, gaplessSince?: number): Promise<number> {
    return this.#delivery.inTurn(async () => {
      if (ttl !== undefined && !this.#isEmpty()) await this.#armAlarm(ttl * 1000);
      if (change.revision <= this.#delivery.cursor) return this.#roster.reached;
      if (this.#isEmpty()) {
        await this.#upstream.unwatch(topic);
        return 0;
      }
      await this.#delivery.deliver(topic, change, gaplessSince);
      return this.#roster.reached;
    });
  }

  /**
   * Compares the channel with the store, and so makes up for lost announcements and a lost registration. The same store
   * call turns expired values into changes. Also checks the API keys of all sockets again. A channel without subscribers
   * ends here: it deletes all that it stored.
   */
  override async alarm(): Promise<void> {
    const topic = this.ctx.storage.kv.get<Topic>("topic");
    if (!topic) return;
    this.#roster.removeGone(Date.now());
    METRICS.sockets.set(this.ctx.id.toString(), kindOf(topic), this.#roster.count());
    this.#countRelays();
    setSockets(this.ctx.id.toString(), topic.namespace, this.#roster.size());
    exportMetrics(this.env.METRICS_DATASET);
    // First, so that nothing below can delay the next alarm.
    if (!this.#isEmpty()) await this.#armAlarm();
    void this.#recheck(topic);
    let ended = false;
    let nextMs: number | null = null;
    try {
      await this.#delivery.inTurn(async () => {
        if (this.#isEmpty()) {
          ended = await this.#end(topic);
          return;
        }
        nextMs = await this.#compare(topic);
        this.#links.retry();
      });
    } catch (cause) {
      METRICS.repairFailures.add();
      log("warn", "repair_failed", { cause });
    }
    // If the store could not be reached, the mark of this channel's watch is still there.
    if (!ended) await this.#armAlarm(nextMs ?? undefined);
  }

  /** Compares the channel with the store now, because announcements of other processes may have been lost. */
  async repair(topic: Topic): Promise<void> {
    await this.#delivery.inTurn(async () => {
      if (this.#isEmpty()) return;
      const nextMs = await this.#compare(topic);
      if (nextMs !== null) await this.#armAlarm(nextMs);
    });
  }

  /**
   * Registers a relay, which then gets every change after the returned head, and learns if it has to look for one.
   * @param place where the relay is
   */
  async relayWatch(topic: Topic, place: Place, token: string): Promise<Watch> {
    this.#relaysArriving++;
    try {
      const own = parentOf(place);
      const head = await this.#registered(topic, own);
      return await this.#delivery.inTurn(async () => {
        const pos = Math.max(head, this.#delivery.cursor);
        // Before the answer, so no change falls between.
        this.#links.add(nodeName(topic, place), token, pos);
        if (own) this.#leaves = Math.max(this.#leaves, place.index);
        return { head: pos, expiresInMs: null };
      });
    } finally {
      this.#relaysArriving--;
    }
  }

  /** Ends the registration of a relay that is not needed. */
  async relayUnwatch(topic: Topic, place: Place, token: string): Promise<void> {
    await this.#delivery.inTurn(async () => this.#links.remove(nodeName(topic, place), token));
  }

  /** Receives changes from the parent of this relay. */
  async forward(forward: Forward): Promise<Forwarded> {
    return this.#delivery.inTurn(async () => {
      const topic = this.ctx.storage.kv.get<Topic>("topic");
      if (topic === undefined || this.#isEmpty()) {
        return { gone: forward.token };
      }
      await this.#delivery.receive(topic, forward);
      return {};
    });
  }

  /** Sends a newcomer to a relay if this node has enough subscribers, and the caller knows its region. */
  #redirect({ region, place, isLastTry }: Join): Response | undefined {
    if (region === undefined || isLastTry) return undefined;
    const { keep, leaf } = relaySettings(this.env);
    if (this.#roster.hasRoom(place ? leaf : keep)) return undefined;
    return new Response(null, { status: 307, headers: { [LEAVES_HEADER]: String(this.#leaves) } });
  }

  #countRelays(): void {
    METRICS.relays.set(this.ctx.id.toString(), this.#upstream.place ? "head" : "channel", this.#links.size);
  }

  /** Leaves of this region, as far as its head has heard of them. */
  get #leaves(): number {
    return this.ctx.storage.kv.get<number>("leaves") ?? 0;
  }

  set #leaves(leaves: number) {
    if (leaves !== this.#leaves) this.ctx.storage.kv.put("leaves", leaves);
  }

  /** Whether nothing needs this node: no subscriber and no relay, here or on the way in. */
  #isEmpty(): boolean {
    return this.#roster.isEmpty() && this.#links.isEmpty() && this.#relaysArriving === 0;
  }

  /** Returns the milliseconds until the next value expires. Call it in turn. */
  async #compare(topic: Topic): Promise<number | null> {
    const { head, expiresInMs } = await this.#upstream.watch(topic);
    const lag = head - this.#delivery.cursor;
    if (topic.key === ALL_KEYS) METRICS.lagRevisions.observe(Math.max(0, lag));
    if (lag !== 0 && (await this.#delivery.catchUp(topic)) > 0) METRICS.repairs.add();
    return expiresInMs;
  }

  /**
   * Ends the watch, and deletes everything that the channel stored. Call it in turn.
   * @returns `false` if the channel must go on
   */
  async #end(topic: Topic): Promise<boolean> {
    await this.#upstream.unwatch(topic);
    // A recheck may store something. A subscriber on its way in registers in turn, so after this.
    if (!this.#isEmpty() || this.#rechecking) return false;
    this.#delivery.forget();
    // The alarm, too.
    await this.ctx.storage.deleteAll();
    return true;
  }

  /** Without this reply, a closing client waits for its own timeout, ten seconds in most clients, and reports 1006. */
  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    // 1005 means that the client sent no code. It must not be sent itself (RFC 6455 §7.4.1).
    closeSocket(socket, code === 1005 ? 1000 : code, reason);
    this.#left(socket);
  }

  /** The connection broke off. */
  override webSocketError(socket: WebSocket): void {
    closeSocket(socket, 1011, "The connection broke off.");
    this.#left(socket);
  }

  /** A socket has left, which may have been a witness of the cursor. */
  #left(socket: WebSocket): void {
    this.#roster.left(socket);
    this.#witness.left(this.#roster.subscriber(socket));
    this.#delivery.keepCursor();
    const topic = this.ctx.storage.kv.get<Topic>("topic");
    if (!topic) return;
    METRICS.sockets.change(this.ctx.id.toString(), kindOf(topic), -1);
    addSockets(this.ctx.id.toString(), topic.namespace, -1);
  }

  /** Cloudflare, which has a limiter, spreads its objects over many processes. */
  #namespaceRefusal(namespace: string): string | undefined {
    if (this.env.RATE_LIMITER !== undefined || socketsOf(namespace) < LIMITS.maxNamespaceSockets) return undefined;
    return `The API keys of this namespace have ${LIMITS.maxNamespaceSockets} sockets open, which is the limit of one process.`;
  }

  /** Returns the store's last revision. Every later change is announced to this channel. */
  #registered(topic: Topic, place: Place | undefined): Promise<number> {
    if (this.#registration) return this.#registration;
    const registration = this.#delivery
      .inTurn(() => {
        this.#registration = undefined;
        return this.#register(topic, place);
      })
      .finally(() => {
        if (this.#registration === registration) this.#registration = undefined;
      });
    this.#registration = registration;
    return registration;
  }

  async #register(topic: Topic, place: Place | undefined): Promise<number> {
    this.#upstream.begin(topic, place);
    // Before the store may have the mark, so that the alarm removes it in any case.
    await this.#armAlarm();
    const { head, expiresInMs } = await this.#upstream.watch(topic);
    if (expiresInMs !== null) await this.#armAlarm(expiresInMs);
    this.#delivery.follow(topic, head, place !== undefined);
    return head;
  }

  /** Sets the alarm for the next comparison, or earlier if a value expires before it. */
  async #armAlarm(expiresInMs = Number.POSITIVE_INFINITY): Promise<void> {
    // Half, so that a revoked API key loses its sockets within 1.5 times the bound for calls.
    const intervalMs = Math.min(LIMITS.repairIntervalMs, revocationMs(this.env) / 2);
    const atMs = Date.now() + Math.min(expiresInMs, intervalMs);
    const earlier = await this.ctx.storage.getAlarm();
    // An alarm that is later than the next one would be was set by a clock that was ahead.
    if (earlier === null || earlier > atMs) await this.ctx.storage.setAlarm(atMs);
  }

  /** Runs one recheck at a time, and not in turn, so that neither delivery nor repair waits for it. */
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
      // A revoked API key may have been a witness's.
      this.#delivery.keepCursor();
    }
  }
}

function kindOf({ key }: Topic): "key" | "namespace" {
  return key === ALL_KEYS ? "namespace" : "key";
}
