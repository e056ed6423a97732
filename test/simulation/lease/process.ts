// A simulated process: its clocks run a little too fast or too slow and may step, it may be suspended, and it may crash.

import type { LeaseRuntime } from "../../../sdk/typescript/lease-session.ts";
import type { Random } from "../../support/random.ts";
import type { Appointment, Timeline } from "./timeline.ts";

type Timer = { readonly dueMs: number; readonly callback: () => void; appointment: Appointment };

const EPOCH_MS = 1_795_000_000_000;
/** A process compares its clocks at least this often. */
const HIDING_MS = 6_000;

export class Process {
  readonly name: string;
  readonly runtime: LeaseRuntime;
  isSuspended = false;
  isDead = false;
  /** When it last woke up, and when something last happened to it or its clock, in real time. */
  wokeAtMs = Number.NEGATIVE_INFINITY;
  disturbedAtMs = Number.NEGATIVE_INFINITY;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #rate: number;
  readonly #timers = new Set<Timer>();
  /** What arrives while it is suspended. */
  #mail: (() => void)[] = [];
  #stoodStillMs = 0;
  #stepsMs = 0;
  #steppedBackAtMs = Number.NEGATIVE_INFINITY;
  #suspendedAtMs = 0;
  #countsSuspensions = true;

  constructor(name: string, timeline: Timeline, random: Random) {
    this.name = name;
    this.#timeline = timeline;
    this.#random = random;
    this.#rate = random.number(0.996, 1.004);
    this.runtime = {
      nowMs: () => this.nowMs,
      wallMs: () => EPOCH_MS + this.#timeline.nowMs * this.#rate + this.#stepsMs,
      setTimer: (callback, ms) => this.setTimer(callback, ms),
      clearTimer: (timer: Timer | undefined) => this.clearTimer(timer),
      newId: () => `${name}/${random.integer(0, 2 ** 40).toString(36)}`,
      random: () => random.number(0, 1),
    };
  }

  /** The monotonic clock. */
  get nowMs(): number {
    const nowMs = this.isSuspended && !this.#countsSuspensions ? this.#suspendedAtMs : this.#timeline.nowMs;
    return (nowMs - this.#stoodStillMs) * this.#rate;
  }

  get timers(): number {
    return this.#timers.size;
  }

  setTimer(callback: () => void, ms: number): Timer {
    const timer: Timer = { dueMs: this.nowMs + ms, callback, appointment: undefined as unknown as Appointment };
    this.#timers.add(timer);
    this.#appoint(timer);
    return timer;
  }

  clearTimer(timer: Timer | undefined): void {
    if (!timer) return;
    timer.appointment.isCancelled = true;
    this.#timers.delete(timer);
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.setTimer(resolve, ms));
  }

  /** Runs now, or when the process wakes up. */
  deliver(callback: () => void): void {
    if (this.isDead) return;
    if (this.isSuspended) this.#mail.push(callback);
    else callback();
  }

  /** Does nothing where a step back would hide a suspension: no process could notice that. */
  stepWallClock(ms: number): void {
    if (ms < 0 && (this.isSuspended || this.#timeline.nowMs < this.wokeAtMs + HIDING_MS)) return;
    this.#stepsMs += ms;
    if (ms < 0) this.#steppedBackAtMs = this.#timeline.nowMs;
    this.#timeline.note(`${this.name}: the wall clock steps by ${ms} ms`);
    this.disturbedAtMs = this.#timeline.nowMs;
  }

  /** `isCounted`: the monotonic clock runs on. */
  suspend(ms: number, isCounted: boolean): void {
    if (this.isDead || this.isSuspended) return;
    this.isSuspended = true;
    this.#countsSuspensions = isCounted || this.#timeline.nowMs < this.#steppedBackAtMs + HIDING_MS;
    this.#suspendedAtMs = this.#timeline.nowMs;
    this.#timeline.note(`${this.name}: suspended for ${ms} ms${this.#countsSuspensions ? "" : ", and its clock, too"}`);
    this.#timeline.after(ms, () => this.#wake());
  }

  crash(): void {
    this.isDead = true;
    for (const timer of this.#timers) this.clearTimer(timer);
  }

  #wake(): void {
    if (!this.#countsSuspensions) this.#stoodStillMs += this.#timeline.nowMs - this.#suspendedAtMs;
    this.isSuspended = false;
    this.wokeAtMs = this.disturbedAtMs = this.#timeline.nowMs;
    for (const timer of this.#timers) {
      timer.appointment.isCancelled = true;
      this.#appoint(timer);
    }
    const mail = this.#mail;
    this.#mail = [];
    // Timers that are due may come before it, or after it.
    for (const callback of mail) this.#timeline.after(this.#random.integer(0, 5), () => this.deliver(callback));
  }

  #appoint(timer: Timer): void {
    timer.appointment = this.#timeline.after((timer.dueMs - this.nowMs) / this.#rate, () => {
      if (this.isSuspended) return; // It gets another appointment.
      this.#timers.delete(timer);
      timer.callback();
    });
  }
}
