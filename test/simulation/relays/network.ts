// The network between Workers, objects and the store: calls are lost on their way there or back, late, doubled and out of
// order, and pairs are cut off from each other.

import type { Random } from "../../support/random.ts";
import type { Clock } from "./clock.ts";

export type Weather = {
  /** Shares of calls that are lost on their way there, and on their way back, that take seconds, and that arrive twice. */
  readonly lost: number;
  readonly lostReply: number;
  readonly slow: number;
  readonly doubled: number;
  /** Whether a call may overtake another between the same two. */
  readonly isOrdered: boolean;
};

export const CALM: Weather = { lost: 0, lostReply: 0, slow: 0, doubled: 0, isOrdered: true };

/** Milliseconds one way, and how much longer a slow call takes. */
const MAX_LATENCY_MS = 40;
const MAX_SLOW_MS = 3_000;

/** Milliseconds after which a caller learns that a call is lost. */
const LOSS_MS = 500;

export class Network {
  weather: Weather;
  readonly counts: Record<string, number> = {};
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #cuts = new Set<string>();
  readonly #arrivals = new Map<string, number>();
  readonly #held = new Map<string, { calls: number; readonly forMs: number }>();
  /** Hears of every call of an object's method. */
  onCall: (to: string, method: string, args: readonly unknown[]) => void = () => {};

  constructor(clock: Clock, random: Random, weather: Weather) {
    this.#clock = clock;
    this.#random = random;
    this.weather = weather;
  }

  cut(from: string, to: string): void {
    this.count("partitions");
    this.#cuts.add(`${from} > ${to}`);
  }

  heal(from: string, to: string): void {
    this.#cuts.delete(`${from} > ${to}`);
  }

  /** The next calls or replies this way take so long. */
  hold(from: string, to: string, held: { calls: number; readonly forMs: number }): void {
    this.#held.set(`${from} > ${to}`, { ...held });
  }

  healAll(): void {
    this.#cuts.clear();
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** @param serve what the called side does; a doubled call does it twice, and the caller gets the first answer */
  async call<T>(from: string, to: string, serve: () => Promise<T>): Promise<T> {
    const { lost, doubled } = this.weather;
    this.count("calls");
    await this.#travel(`${from} > ${to}`);
    if (this.#random.chance(lost) || this.#isCut(from, to)) return this.#lose("lost calls");
    if (this.#random.chance(doubled)) {
      this.count("doubled calls");
      this.#clock.after(this.#random.number(0, MAX_SLOW_MS), () => {
        serve().catch(() => {
          // Its caller does not wait for it.
        });
      });
    }
    const answer = await serve();
    await this.#travel(`${to} > ${from}`);
    if (this.#random.chance(this.weather.lostReply) || this.#isCut(from, to)) return this.#lose("lost replies");
    return answer;
  }

  #isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from} > ${to}`);
  }

  async #lose(what: string): Promise<never> {
    this.count(what);
    await this.#clock.wait(LOSS_MS);
    throw retryable("simulated: the network failed");
  }

  async #travel(way: string): Promise<void> {
    const random = this.#random;
    const held = this.#held.get(way);
    const isHeld = held !== undefined && held.calls-- > 0;
    const slow = isHeld ? held.forMs : random.chance(this.weather.slow) ? random.number(0, MAX_SLOW_MS) : 0;
    let atMs = this.#clock.nowMs + random.number(1, MAX_LATENCY_MS) + slow;
    if (this.weather.isOrdered) atMs = Math.max(atMs, this.#arrivals.get(way) ?? 0);
    this.#arrivals.set(way, atMs);
    await this.#clock.wait(atMs - this.#clock.nowMs);
  }
}

/** The platform marks errors like this if the call can be repeated. */
export const retryable = (message: string) => Object.assign(new Error(message), { retryable: true });
