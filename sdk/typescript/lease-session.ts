// Runs the machine of one lease: sends its requests, sets its timers, and settles the promises that callers wait for.

import { deferred } from "./deferred.ts";
import { LeaseLostError } from "./errors.ts";
import { LeaseMachine } from "./lease-machine.ts";
import type { LeaseAction, LeaseConfig, LeaseEnd, LeaseEvent } from "./lease-states.ts";
import { type LeaseTransport, readFailure } from "./lease-transport.ts";

/** Time and chance. A test can bring its own. */
export type LeaseRuntime = {
  /** Milliseconds of a clock that never steps, although it may stand still while the process is suspended. */
  readonly nowMs: () => number;
  /** Milliseconds since the epoch, by a clock that may step. */
  readonly wallMs: () => number;
  /** `isBackground`: a process that has nothing else to do need not wait for it. */
  readonly setTimer: (callback: () => void, ms: number, isBackground: boolean) => unknown;
  readonly clearTimer: (timer: never) => void;
  readonly newId: () => string;
  readonly random: () => number;
};

/** How often to look for a suspension. No timer is longer, so none is too long for `setTimeout` (2^31 ms). */
const MAX_CHECK_MS = 5_000;
/** A wall clock that is ahead by more than this has been stepped, or the other clock stood still. */
const MAX_DRIFT_MS = 1_000;

const REASONS: Readonly<Record<Exclude<LeaseEnd, "released">, string>> = {
  abandoned: "was abandoned.",
  expired: "was lost. It could not be renewed in time.",
  conflict: "was lost. Another client wrote to the key.",
  refused: "was lost. memX refused the renewal.",
  broken: "was lost. The renewal could not be sent.",
};

export type Session = {
  readonly key: string;
  /** Seconds. */
  readonly ttl: number;
  readonly config: Omit<LeaseConfig, "ttlMs" | "retries">;
  readonly signal: AbortSignal | undefined;
};

export class LeaseSession {
  /** Resolves to the fencing token. */
  readonly acquired: Promise<number>;
  readonly ended = new AbortController();
  readonly #options: Session;
  readonly #transport: LeaseTransport;
  readonly #runtime: LeaseRuntime;
  readonly #machine: LeaseMachine;
  readonly #acquired = deferred<number>();
  readonly #released = deferred<void>();
  readonly #checkMs: number;
  #events: LeaseEvent[] = [];
  #isHandling = false;
  #isReleased = false;
  /** Whether no caller has, or waits for, what comes now. */
  #isBackground = false;
  #request: AbortController | undefined;
  #timer: unknown;
  #unwatch: () => void = () => {};
  #drift: number;

  constructor(options: Session, transport: LeaseTransport, runtime: LeaseRuntime) {
    this.#options = options;
    this.#transport = transport;
    this.#runtime = runtime;
    this.acquired = this.#acquired.promise;
    const ttlMs = options.ttl * 1_000;
    this.#checkMs = Math.min(MAX_CHECK_MS, ttlMs / 10);
    this.#machine = new LeaseMachine({ ...options.config, ttlMs, retries: transport.retries }, runtime);
    this.#drift = this.#readDrift();
    const { signal } = options;
    const cancel = () => this.#handle({ event: "cancel" });
    signal?.addEventListener("abort", cancel, { once: true });
    const stopListening = () => signal?.removeEventListener("abort", cancel);
    this.acquired.then(stopListening, stopListening);
    this.#handle({ event: "start" });
  }

  get revision(): number {
    return this.#machine.revision;
  }

  release(): Promise<void> {
    if (!this.#isReleased) {
      this.#isReleased = true;
      this.#handle({ event: "release" });
    }
    return this.#released.promise;
  }

  abandon(): void {
    this.#handle({ event: "abandon" });
  }

  /** An action may call a listener that brings the next event, which then waits for the actions that are left. */
  #handle(event: LeaseEvent): void {
    this.#events.push(event);
    if (this.#isHandling) return;
    this.#isHandling = true;
    const drift = this.#readDrift();
    const isSuspended = drift - this.#drift > MAX_DRIFT_MS;
    if (isSuspended) this.#events.unshift({ event: "suspended" });
    this.#drift = isSuspended ? drift : Math.min(drift, this.#drift);
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) {
        for (const action of this.#machine.handle(next, this.#runtime.nowMs())) this.#do(action);
      }
    } finally {
      this.#isHandling = false;
      this.#setTimer();
    }
  }

  #readDrift(): number {
    return this.#runtime.wallMs() - this.#runtime.nowMs();
  }

  #setTimer(): void {
    this.#runtime.clearTimer(this.#timer as never);
    this.#timer = undefined;
    const { wakeAt } = this.#machine;
    if (wakeAt === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(0, Math.ceil(wakeAt - this.#runtime.nowMs()));
    const wake = () => this.#handle({ event: "timer" });
    this.#timer = this.#runtime.setTimer(wake, Math.min(waitMs, this.#checkMs), this.#isBackground);
  }

  #do(action: LeaseAction): void {
    switch (action.do) {
      case "send":
        this.#send(action);
        break;
      case "stop":
        this.#request?.abort();
        break;
      case "watch":
        this.#watch();
        break;
      case "resolve":
        this.#unwatch();
        this.#acquired.resolve(action.token);
        break;
      case "reject":
        this.#isBackground = true;
        this.#unwatch();
        this.#acquired.reject(this.#rejection(action));
        break;
      case "end":
        this.#isBackground = action.because !== "released";
        this.#end(action.because, action.error);
        break;
      case "released":
        this.#isBackground = true;
        this.#released.resolve();
        break;
      case "release_failed":
        this.#released.reject(action.error);
        break;
      case "throw":
        void Promise.reject(action.error);
    }
  }

  #watch(): void {
    this.#unwatch = this.#transport.watch(
      this.#options.key,
      () => this.#handle({ event: "free" }),
      (error) => this.#handle({ event: "watch_failed", error }),
    );
  }

  #rejection({ because, error }: LeaseAction & { readonly do: "reject" }): unknown {
    switch (because) {
      case "error":
        return error;
      case "cancelled":
        return this.#options.signal?.reason;
      case "late":
        return this.#lost("may have expired before memX confirmed it.");
    }
  }

  #send({ request, ...call }: LeaseAction & { readonly do: "send" }): void {
    const controller = new AbortController();
    this.#request = controller;
    const { key, ttl } = this.#options;
    this.#transport.send(call, key, ttl, controller.signal).then(
      (revision) => this.#handle({ event: "applied", request, revision }),
      // The machine ignores the failure of a request that it has stopped.
      (error) => this.#handle(readFailure(error, request)),
    );
  }

  #end(because: LeaseEnd, cause: unknown): void {
    const isRelease = because === "released";
    const released = () => new DOMException("The lease was released.", "AbortError");
    this.ended.abort(isRelease ? released() : this.#lost(REASONS[because], cause));
  }

  #lost(what: string, cause?: unknown): LeaseLostError {
    const { key } = this.#options;
    return new LeaseLostError("lease_lost", `The lease on ${key} ${what}`, { key, cause });
  }
}
