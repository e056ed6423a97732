// The way from a process to memX and back: late, lost on either way, or swallowed by a black hole. It also keeps what the
// judge needs to know: what each attempt sent, and what it heard.

import {
  ConflictError,
  InvalidRequestError,
  NetworkError,
  RateLimitedError,
  TimeoutError,
  UnavailableError,
} from "../../../sdk/typescript/errors.ts";
import type { LeaseRequest } from "../../../sdk/typescript/lease-states.ts";
import type { LeaseTransport } from "../../../sdk/typescript/lease-transport.ts";
import type { Random } from "../../support/random.ts";
import type { Process } from "./process.ts";
import type { AttemptId, Reply, Server } from "./server.ts";
import type { Timeline } from "./timeline.ts";

/** How often what goes wrong, from 0 to 1. */
export type Weather = {
  readonly lostRequests: number;
  readonly lostResponses: number;
  readonly delays: number;
  readonly problems: number;
  readonly suspensions: number;
};

/** What the network knows of an attempt at a lease. */
export type Traffic = {
  /** Requests without a response, by the process's own count. */
  pending: number;
  /** By the process's clock: until when the responses that it heard prove its lease. */
  provenUntilMs: number;
  /** In real time: when it sent a claim or a renewal for the last time, and until when it has to clean up. */
  lastSentAtMs: number;
  writtenUntilMs: number;
  /** Whether the lease has ended, or there is none. */
  isOver: boolean;
  /** Subscriptions that wait for the key. */
  watches: number;
  /** In real time: when the last request was settled, when memX decided a claim, and when the last claims were sent. */
  idleSinceMs: number;
  decidedAtMs: number;
  readonly claims: number[];
  readonly firstSentAtMs: Map<string, number>;
  /** In real time: until when memX certainly remembers what the attempt sent. */
  readonly knownUntilMs: number;
  /** An Idempotency-Key that other attempts use, too, so that a response may be that to an earlier claim. */
  readonly sharedId: string | undefined;
};

export const newTraffic = (sharedId: string | undefined, knownUntilMs: number): Traffic => ({
  pending: 0,
  provenUntilMs: Number.NEGATIVE_INFINITY,
  lastSentAtMs: Number.NEGATIVE_INFINITY,
  writtenUntilMs: Number.NEGATIVE_INFINITY,
  isOver: false,
  watches: 0,
  idleSinceMs: 0,
  decidedAtMs: 0,
  claims: [],
  firstSentAtMs: new Map(),
  sharedId,
  knownUntilMs: sharedId === undefined ? knownUntilMs : Number.NEGATIVE_INFINITY,
});

export class Network {
  readonly counts: Record<string, number> = {};
  readonly #timeline: Timeline;
  readonly #server: Server;
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #timeoutMs: number;
  readonly #holes: readonly { readonly fromMs: number; readonly toMs: number }[];

  constructor(
    timeline: Timeline,
    server: Server,
    random: Random,
    weather: Weather,
    holes: readonly { readonly fromMs: number; readonly toMs: number }[],
  ) {
    this.#timeline = timeline;
    this.#server = server;
    this.#random = random;
    this.#weather = weather;
    this.#timeoutMs = random.pick([500, 2_000, 10_000]);
    this.#holes = holes;
  }

  /** `canRead` is `false` for an API key that may only write. */
  connect(process: Process, attempt: AttemptId, traffic: Traffic, canRead: boolean): LeaseTransport {
    return {
      retries: this.#random.integer(0, 3),
      send: (request, key, ttl, signal) =>
        this.#send({ process, attempt, traffic, canRead, request, key, ttl, signal }),
      watch: (key, onFree, onEnd) => this.#watch(process, traffic, key, onFree, canRead ? undefined : onEnd),
    };
  }

  #send(sent: {
    readonly process: Process;
    readonly attempt: AttemptId;
    readonly traffic: Traffic;
    readonly canRead: boolean;
    readonly request: LeaseRequest;
    readonly key: string;
    readonly ttl: number;
    readonly signal: AbortSignal;
  }): Promise<number> {
    const { process, attempt, traffic, canRead, request, key, ttl, signal } = sent;
    const ttlMs = ttl * 1_000;
    const sentAtMs = this.#timeline.nowMs;
    traffic.pending++;
    if (!traffic.firstSentAtMs.has(request.id)) traffic.firstSentAtMs.set(request.id, process.nowMs);
    if (request.call === "claim" || (request.call === "renew" && !traffic.isOver)) {
      traffic.lastSentAtMs = this.#timeline.nowMs;
      if (!traffic.isOver) traffic.writtenUntilMs = traffic.lastSentAtMs + ttlMs;
    }
    if (request.call === "claim") traffic.claims.push(this.#timeline.nowMs);
    if (this.#happens("suspensions", "suspension during a request"))
      this.#timeline.after(this.#random.number(0, 30), () =>
        process.suspend(this.#random.pick([1_500, 5_000, 40_000]), this.#random.chance(0.5)),
      );
    this.#count(request.call);
    const what = `${process.name}, attempt ${attempt}, ${request.call} ${request.id} expects ${request.expect}`;
    this.#timeline.note(`${what}: sent`);
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (settlement: () => void) => {
        if (isSettled) return;
        isSettled = true;
        traffic.pending--;
        traffic.idleSinceMs = this.#timeline.nowMs;
        this.#timeline.note(`${what}: settled`);
        process.clearTimer(timeout);
        settlement();
      };
      const fail = (error: unknown) => process.deliver(() => settle(() => reject(error)));
      const timeout = process.setTimer(
        () => fail(new TimeoutError("timeout", "memX did not respond.")),
        this.#timeoutMs,
      );
      signal.addEventListener("abort", () => settle(() => reject(signal.reason)));
      const response = (outcome: Reply) => {
        if (outcome.outcome === "id_reused")
          return settle(() => reject(new InvalidRequestError("invalid_request", "reused", { status: 422 })));
        if (outcome.outcome === "conflict") {
          const { current } = outcome;
          const shown = current && { value: current.value, revision: current.revision, ts: 0 };
          if (canRead && current?.attempt === attempt && !isSettled) this.#prove(traffic, request, ttlMs);
          return settle(() =>
            reject(new ConflictError("conflict", "conflict", { status: 409, ...(canRead && { current: shown }) })),
          );
        }
        if (request.call !== "release" && !isSettled) this.#prove(traffic, request, ttlMs);
        return settle(() => resolve(outcome.revision));
      };
      this.#travel(
        "request",
        () => {
          if (this.#happens("problems", "problem before"))
            return this.#travel("response", () => fail(this.#problem(false)));
          const outcome = this.#server.write(key, request, ttlMs, attempt, sentAtMs);
          if (request.call === "claim") traffic.decidedAtMs = this.#timeline.nowMs;
          this.#timeline.note(`${what}: ${JSON.stringify(outcome)}`);
          if (this.#happens("problems", "problem after"))
            return this.#travel("response", () => fail(this.#problem(true)));
          this.#travel("response", () => process.deliver(() => response(outcome)), fail);
        },
        fail,
      );
    });
  }

  #prove(traffic: Traffic, { id }: LeaseRequest, ttlMs: number): void {
    traffic.writtenUntilMs = traffic.lastSentAtMs + ttlMs;
    if (id === traffic.sharedId) return;
    const sentAtMs = traffic.firstSentAtMs.get(id) as number;
    traffic.provenUntilMs = Math.max(traffic.provenUntilMs, sentAtMs + 0.99 * ttlMs);
  }

  #problem(mayBeApplied: boolean): unknown {
    if (!mayBeApplied && this.#random.chance(0.5))
      return new RateLimitedError("rate_limited", "slow down", {
        status: 429,
        retryAfterMs: this.#random.integer(0, 3) * 1_000,
      });
    return new UnavailableError("store_unavailable", "away", { status: 503, retryAfterMs: 1_000 });
  }

  /** Takes one way. `onLoss` hears of some losses, as of a connection that is reset; others stay unknown. */
  #travel(way: "request" | "response", onArrival: () => void, onLoss: (error: unknown) => void = () => {}): void {
    const isSwallowed = () =>
      this.#holes.some(({ fromMs, toMs }) => fromMs <= this.#timeline.nowMs && this.#timeline.nowMs < toMs);
    if (isSwallowed()) {
      this.#count("black hole");
      return;
    }
    if (this.#happens(way === "request" ? "lostRequests" : "lostResponses", `lost ${way}`)) {
      if (this.#random.chance(0.5)) onLoss(new NetworkError("network", "reset"));
      return;
    }
    const delayMs = this.#happens("delays", `late ${way}`)
      ? this.#random.pick([300, 1_000, 3_000, 9_000, 30_000, 90_000]) * this.#random.number(0.5, 1.5)
      : this.#random.number(1, 40);
    this.#timeline.after(delayMs, () => (isSwallowed() ? this.#count("black hole") : onArrival()));
  }

  #watch(
    process: Process,
    traffic: Traffic,
    key: string,
    onFree: () => void,
    onEnd: ((error: unknown) => void) | undefined,
  ): () => void {
    traffic.watches++;
    let isOpen = true;
    const tell = (callback: () => void) =>
      this.#timeline.after(this.#random.number(1, 50) + (this.#random.chance(0.1) ? 2_000 : 0), () =>
        process.deliver(() => {
          if (isOpen) callback();
        }),
      );
    if (onEnd) tell(() => onEnd(new InvalidRequestError("forbidden", "forbidden", { status: 403 })));
    else tell(onFree);
    const unwatch = this.#server.watch(key, () => tell(onFree));
    return () => {
      if (isOpen) traffic.watches--;
      isOpen = false;
      unwatch();
    };
  }

  #happens(what: keyof Weather, name: string): boolean {
    const happens = this.#random.chance(this.#weather[what]);
    if (happens) this.#count(name);
    return happens;
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
