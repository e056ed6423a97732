// The states of a lease (lease-states.ts) as a machine without I/O and without a clock: an event goes in with its time,
// actions come out.

import type {
  Current,
  LeaseAction,
  LeaseConfig,
  LeaseEnd,
  LeaseEvent,
  LeaseFailure,
  LeaseRequest,
  LeaseSource,
  LeaseState,
} from "./lease-states.ts";

/** A request with its tries. */
type Write = LeaseRequest & {
  /** When the first try was sent. */
  readonly sinceMs: number;
  tries: number;
  /** The try that is under way. */
  request: number | undefined;
  /** When to send the next try, even if one is still under way. */
  nextAt: number;
  /** Whether memX may have applied a try that got no response. */
  isUncertain: boolean;
};

const NEVER = Number.POSITIVE_INFINITY;
/** How much faster or slower than ours the clock of memX may run. */
const DRIFT = 0.01;
const BASE_PAUSE_MS = 400;
const MAX_PAUSE_MS = 20_000;
/** A claim gives up before memX forgets its Idempotency-Key, after 5 minutes. */
const MAX_CLAIM_MS = 240_000;
/** A timer that is later than this tells of a suspension. */
const MAX_LATENESS_MS = 1_000;
const MAX_DOUBT_MS = 10_000;

export class LeaseMachine {
  state: LeaseState = "new";
  /** The fencing token: the revision of the claim. */
  token = 0;
  /** The key's revision, as of the last write of this lease that memX confirmed. */
  revision = 0;
  readonly #config: LeaseConfig;
  readonly #source: LeaseSource;
  #now = 0;
  #actions: LeaseAction[] = [];
  #requests = 0;
  #write: Write | undefined;
  /** A renewal that memX may have applied before the deletion that is now under way. */
  #unsettled: Write | undefined;
  #endsAt = NEVER;
  #renewAt = NEVER;
  /** When memX no longer has a write of this lease, even if it applied the last try. */
  #writtenUntil = 0;
  #giveUpAt = NEVER;
  /** A response proves nothing if its first try was sent before this moment. */
  #suspendedAt = Number.NEGATIVE_INFINITY;
  #isInDoubt = false;
  #isWatching = false;
  #watchFailure: { readonly error: unknown } | undefined;
  /** Whether the key became free while a claim was under way. */
  #isFree = false;
  /**
   * The claim that memX may have applied before, so that a response to it proves nothing: under the caller's
   * Idempotency-Key, by an earlier process; otherwise by a try that arrived after memX had refused a later one.
   */
  #repeated: LeaseConfig["claim"];
  #isReleaseAwaited = false;
  #defect: { readonly error: unknown } | undefined;

  constructor(config: LeaseConfig, source: LeaseSource) {
    this.#config = config;
    this.#source = source;
    this.#repeated = config.claim;
  }

  /** When the machine needs a `timer`. A `timer` at another time does no harm. */
  get wakeAt(): number {
    const endsAt = this.#isHeld() || this.#isReleaseAwaited ? this.#endsAt : NEVER;
    return Math.min(endsAt, this.#renewAt, this.#giveUpAt, this.#write?.nextAt ?? NEVER);
  }

  /** `now` is the time of a clock that never steps, in milliseconds. */
  handle(event: LeaseEvent, now: number): LeaseAction[] {
    this.#now = now;
    this.#actions = [];
    this.#take(event);
    return this.#actions;
  }

  #take(event: LeaseEvent): void {
    if ("request" in event) {
      // The machine has stopped any other request.
      if (this.#write === undefined || event.request !== this.#write.request) return;
      this.#write.request = undefined;
      this.#write.nextAt = NEVER;
    }
    switch (event.event) {
      case "start":
        this.#claim();
        break;
      case "free":
        this.#isFree = true;
        if (this.state === "waiting") this.#claim();
        break;
      case "watch_failed":
        this.#watchFailure = event;
        if (this.state === "waiting") this.#fail("error", event.error);
        break;
      case "timer":
        this.#wake();
        break;
      case "suspended":
        this.#suspendedAt = this.#now;
        if (this.#isHeld()) this.#doubt(this.#endsAt);
        break;
      case "cancel":
        if (this.#isAcquiring() || this.state === "waiting") this.#reject("cancelled");
        break;
      case "release":
        this.#release();
        break;
      case "abandon":
        if (this.#isHeld()) this.#end("abandoned");
        break;
      case "applied":
        this.#applied(event.revision);
        break;
      case "conflict":
        this.#conflicted(event.current, event.error);
        break;
      case "failed":
        this.#failed(event);
        break;
      case "refused":
      case "broken":
        this.#refused(event.event, event.error);
    }
  }

  #isAcquiring(): boolean {
    return this.state === "claiming" || this.state === "confirming";
  }

  #isHeld(): boolean {
    return this.state === "held" || this.state === "renewing";
  }

  #claim(): void {
    this.#isFree = false;
    const { id, value } = this.#repeated ?? { id: undefined, value: this.#config.value };
    this.#begin("claiming", { call: "claim", expect: 0, value }, { id });
  }

  #renew(state: "confirming" | "renewing", tries = 0): void {
    this.#renewAt = NEVER;
    this.#begin(state, { call: "renew", expect: this.revision, value: this.#config.value }, { tries });
  }

  #begin(
    state: LeaseState,
    request: Omit<LeaseRequest, "id">,
    begun: { id?: string | undefined; tries?: number } = {},
  ) {
    const { id = this.#source.newId(), tries = 0 } = begun;
    this.#stop();
    this.state = state;
    const start = { sinceMs: this.#now, tries, request: undefined, nextAt: NEVER, isUncertain: false };
    this.#send({ ...request, id, ...start });
  }

  #send(write: Write): void {
    this.#stop();
    const { call, id, expect, value } = write;
    write.request = ++this.#requests;
    write.tries++;
    // A connection may be dead without notice, so one try must not take all the time that is left.
    const isUrgent = this.state === "renewing" || this.state === "releasing";
    write.nextAt = isUrgent ? this.#now + this.#config.ttlMs / 3 : NEVER;
    this.#write = write;
    const isDeletion = call === "release";
    // A renewal that is sent again after a deletion has a revision that it no longer expects, so memX does not apply it.
    if (this.state !== "releasing") this.#writtenUntil = this.#now + this.#config.ttlMs * (1 + DRIFT);
    this.#actions.push({ do: "send", request: write.request, call, id, expect, ...(!isDeletion && { value }) });
  }

  #stop(): void {
    if (this.#write?.request === undefined) return;
    this.#write.request = undefined;
    this.#write.isUncertain = true;
    this.#actions.push({ do: "stop" });
  }

  /** Whether the response to this write proves that the key is ours now. */
  #proves({ sinceMs }: Write): boolean {
    return sinceMs >= this.#suspendedAt && this.#now < this.#validUntil(sinceMs);
  }

  #validUntil(sinceMs: number): number {
    return sinceMs + this.#config.ttlMs * (1 - DRIFT);
  }

  #applied(revision: number): void {
    const write = this.#write as Write;
    if (write.call === "release") this.#done();
    else if (this.state === "releasing" || this.state === "tracing") this.#giveBack(revision);
    else {
      this.revision = revision;
      if (write.call === "claim") this.token = revision;
      if (this.#proves(write) && !(write.call === "claim" && this.#repeated)) this.#hold(write);
      else if (this.state === "renewing") this.#renew("renewing");
      else if (write.call === "renew" && write.tries > this.#config.retries) this.#reject("late");
      else this.#renew("confirming", write.call === "renew" ? write.tries : 0);
    }
  }

  #hold({ sinceMs }: Write): void {
    if (this.state !== "renewing") this.#actions.push({ do: "resolve", token: this.token });
    this.state = "held";
    this.#write = undefined;
    this.#isInDoubt = false;
    this.#endsAt = this.#validUntil(sinceMs);
    this.#renewAt = sinceMs + this.#config.ttlMs / 3;
  }

  #conflicted(current: Current, error: unknown): void {
    const write = this.#write as Write;
    const isOwn = this.#config.isUnique && current?.value === (write.value ?? this.#config.value);
    const ownRevision = isOwn ? current?.revision : undefined;
    switch (this.state) {
      case "claiming":
        if (ownRevision === undefined) {
          if (write.isUncertain) this.#repeated = { id: write.id, value: write.value };
          this.#wait(error);
        } else {
          // memX applied an earlier try, and does not say when.
          this.token = this.revision = ownRevision;
          this.#renew("confirming");
        }
        break;
      case "confirming":
        if (ownRevision === undefined) {
          // The claim is over. Under the same Idempotency-Key, memX would say again that it applied it.
          this.#repeated = undefined;
          this.#isFree = true;
          if (current === null && !this.#config.wait) this.#fail("late");
          else this.#wait(error);
        } else this.#applied(ownRevision);
        break;
      case "renewing":
        if (ownRevision === undefined) this.#end("conflict", error);
        else this.#applied(ownRevision);
        break;
      default:
        if (current === null) this.#done();
        else if (ownRevision === undefined) this.#settle();
        else this.#giveBack(ownRevision);
    }
  }

  #wait(error: unknown): void {
    if (!this.#config.wait) this.#fail("error", error);
    else if (this.#watchFailure) this.#fail("error", this.#watchFailure.error);
    else if (this.#isFree) this.#claim();
    else {
      this.state = "waiting";
      if (!this.#isWatching) this.#actions.push({ do: "watch" });
      this.#isWatching = true;
    }
  }

  #failed({ error, retryAfterMs = 0, isApplied }: LeaseEvent & { readonly event: "failed" }): void {
    const write = this.#write as Write;
    const { ttlMs, retries } = this.#config;
    const isAcquiring = this.#isAcquiring();
    const backoffMs = Math.min(MAX_PAUSE_MS, BASE_PAUSE_MS * 2 ** (write.tries - 1), isAcquiring ? NEVER : ttlMs / 10);
    write.nextAt = this.#now + retryAfterMs + this.#source.random() * backoffMs;
    write.isUncertain ||= isApplied !== false;
    if (isAcquiring && (write.tries > retries || write.nextAt > write.sinceMs + MAX_CLAIM_MS))
      this.#reject("error", error);
  }

  #refused(because: "refused" | "broken", error: unknown): void {
    const isNewDefect = because === "broken" && this.#defect === undefined;
    if (isNewDefect) this.#defect = { error };
    if (this.state === "claiming") this.#fail("error", error);
    else if (this.state === "confirming") this.#reject("error", error);
    else if (this.state === "renewing") this.#end(because, error);
    else {
      if (this.#isReleaseAwaited) this.#actions.push({ do: "release_failed", error });
      else if (isNewDefect) this.#actions.push({ do: "throw", error });
      this.#isReleaseAwaited = false;
      this.#done();
    }
  }

  /** There is no lease, and memX has nothing of it. */
  #fail(because: LeaseFailure, error?: unknown): void {
    this.#actions.push({ do: "reject", because, ...(because === "error" && { error }) });
    this.#done();
  }

  /** There is no lease, but memX may have applied the claim. */
  #reject(because: LeaseFailure, error?: unknown): void {
    this.#actions.push({ do: "reject", because, ...(because === "error" && { error }) });
    const write = this.#write;
    if (this.state === "confirming") this.#giveBack(this.revision);
    else if (write && (write.isUncertain || write.request !== undefined)) {
      this.state = "tracing";
      // A try that is under way tells as much as another one.
      if (because === "cancelled" && write.request === undefined) this.#send(write);
      this.#giveUpAt = this.#writtenUntil;
    } else this.#done();
  }

  /** Ends a lease that is held. */
  #end(because: LeaseEnd, error?: unknown): void {
    this.#actions.push({ do: "end", because, ...(error !== undefined && { error }) });
    if (because === "conflict" || because === "abandoned") this.#done();
    else this.#giveBack(this.revision);
  }

  #release(): void {
    if (this.#isHeld()) {
      this.#isReleaseAwaited = true;
      this.#end("released");
    } else if (this.#defect) this.#actions.push({ do: "release_failed", error: this.#defect.error });
    else this.#actions.push({ do: "released" });
  }

  /** Deletes the key, which has this revision, or that of a renewal without a response. */
  #giveBack(revision: number): void {
    this.#stop();
    const write = this.#write;
    if (this.state !== "releasing" && write?.call === "renew" && write.isUncertain) this.#unsettled = write;
    this.#giveUpAt = this.#writtenUntil;
    this.#renewAt = NEVER;
    if (this.#now < this.#giveUpAt) this.#begin("releasing", { call: "release", expect: revision });
    else this.#done();
  }

  /** The key has another revision than the deletion expects: perhaps that of a renewal without a response. */
  #settle(): void {
    const renewal = this.#unsettled;
    this.#unsettled = undefined;
    // memX repeats its response, or refuses the renewal, because the renewal expects the same revision.
    if (renewal) this.#send(renewal);
    else this.#done();
  }

  #done(): void {
    this.#stop();
    if (this.#isReleaseAwaited) this.#actions.push({ do: "released" });
    this.#isReleaseAwaited = false;
    this.#write = this.#unsettled = undefined;
    this.#renewAt = this.#giveUpAt = NEVER;
    this.state = "over";
  }

  #wake(): void {
    if (this.#now >= this.#endsAt && this.#isHeld()) {
      // So late, there may have been no chance to renew.
      if (this.#now > this.#endsAt + MAX_LATENESS_MS && !this.#isInDoubt) this.#doubt(NEVER);
      else this.#end("expired");
    } else if (this.#now >= this.#renewAt) this.#renew("renewing");
    else {
      if (this.#now >= this.#endsAt && this.#isReleaseAwaited) {
        this.#isReleaseAwaited = false;
        this.#actions.push({ do: "released" });
      }
      if (this.#now >= this.#giveUpAt) this.#done();
      else if (this.#write && this.#now >= this.#write.nextAt) this.#send(this.#write);
    }
  }

  #doubt(endsAt: number): void {
    this.#suspendedAt = this.#now;
    this.#endsAt = Math.min(endsAt, this.#now + Math.min(MAX_DOUBT_MS, this.#config.ttlMs / 3));
    this.#isInDoubt = true;
    // A renewal from before the suspension must be settled first, because the next one expects its revision.
    if (this.#write) this.#send(this.#write);
    else this.#renew("renewing");
  }
}
