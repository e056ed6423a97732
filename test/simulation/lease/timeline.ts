// Virtual time: what happens, in order. No simulated second takes a real one.

export type Appointment = { readonly atMs: number; readonly callback: () => void; isCancelled: boolean };

/** More than any promise chain from one appointment to the next needs. */
const MICROTASKS = 60;

export class Timeline {
  nowMs = 0;
  steps = 0;
  /** What happened, for whoever looks for the cause of a fault. */
  readonly notes: string[] = [];
  readonly #appointments: Appointment[] = [];

  at(atMs: number, callback: () => void): Appointment {
    const appointment = { atMs: Math.max(atMs, this.nowMs), callback, isCancelled: false };
    let index = this.#appointments.length;
    // Later ones first; of two at the same time, the one that was made first is kept first.
    while (index > 0 && (this.#appointments[index - 1] as Appointment).atMs <= appointment.atMs) index--;
    this.#appointments.splice(index, 0, appointment);
    return appointment;
  }

  note(text: string): void {
    this.notes.push(`${(this.nowMs / 1_000).toFixed(3)} s: ${text}`);
  }

  after(ms: number, callback: () => void): Appointment {
    return this.at(this.nowMs + ms, callback);
  }

  /** Runs until nothing is left to happen. Calls `onStep` after each appointment and all that it leads to. */
  async run(onStep: () => void, maxSteps: number): Promise<void> {
    for (let next = this.#appointments.pop(); next; next = this.#appointments.pop()) {
      if (next.isCancelled) continue;
      if (++this.steps > maxSteps) throw new Error(`the simulation does not come to rest within ${maxSteps} steps`);
      this.nowMs = next.atMs;
      next.callback();
      for (let n = 0; n < MICROTASKS; n++) await null;
      onStep();
    }
  }
}
