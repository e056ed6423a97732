// Virtual time for code that asks the runtime for it: timers, the time of day, and chance, from a seed.

import { vi } from "vitest";
import type { Random } from "../../support/random.ts";

/** More than almost any chain of promises from one moment to the next needs. What is left goes on a moment later. */
const MICROTASKS = 80;

type Appointment = { readonly atMs: number; readonly callback: () => void; isCancelled: boolean };

/** The time of day at the beginning. */
const EPOCH_MS = 1_800_000_000_000;

export class Clock {
  nowMs = 0;
  steps = 0;
  /** The next one last. */
  readonly #appointments: Appointment[] = [];

  after(ms: number, callback: () => void): Appointment {
    const appointment = { atMs: this.nowMs + Math.max(0, ms), callback, isCancelled: false };
    const list = this.#appointments;
    let [from, to] = [0, list.length];
    // Of two at the same time, the one that was made first comes first.
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((list[middle] as Appointment).atMs > appointment.atMs) from = middle + 1;
      else to = middle;
    }
    list.splice(from, 0, appointment);
    return appointment;
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  async runUntil(endMs: number): Promise<void> {
    for (let next = this.#appointments.at(-1); next && next.atMs <= endMs; next = this.#appointments.at(-1)) {
      this.#appointments.pop();
      if (next.isCancelled) continue;
      this.steps++;
      this.nowMs = next.atMs;
      next.callback();
      for (let n = 0; n < MICROTASKS; n++) await null;
    }
    this.nowMs = endMs;
  }

  /** From now on the runtime's time is this clock's, until the returned function is called. */
  rule(random: Random): () => void {
    const appointments = new Map<number, Appointment>();
    let last = 0;
    const { now } = Date;
    const { random: chance } = Math;
    // Not spies, which keep every call.
    Date.now = () => EPOCH_MS + this.nowMs;
    Math.random = () => random.number(0, 1);
    vi.stubGlobal("scheduler", { wait: (ms: number) => this.wait(ms) });
    vi.stubGlobal("setTimeout", (callback: () => void, ms = 0) => {
      const id = ++last;
      const ring = () => {
        appointments.delete(id);
        callback();
      };
      appointments.set(id, this.after(ms, ring));
      return id;
    });
    vi.stubGlobal("clearTimeout", (id: number) => {
      const appointment = appointments.get(id);
      if (appointment) appointment.isCancelled = true;
      appointments.delete(id);
    });
    return () => {
      vi.unstubAllGlobals();
      Date.now = now;
      Math.random = chance;
    };
  }
}
