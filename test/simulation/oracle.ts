// Compares what one connection received with the truth: every change once and in order, or a `reset` and a correct
// snapshot if the log was truncated. It does not know how the changes arrived.

import { type Connection, type Filter, type Message, type ReceivedEvent, type TrueChange, wantedBy } from "./truth.ts";

export type Judgment = { readonly logLength: number; readonly truth: readonly TrueChange[] };

/** Returns the first fault, if there is one. */
export function findFault(connection: Connection, filter: Filter, { truth, logLength }: Judgment): string | undefined {
  const judge = new Judge(connection, wantedBy(filter, truth), truth, logLength);
  try {
    if (connection.control) judge.control();
    else judge.plain();
    return undefined;
  } catch (fault) {
    if (fault instanceof Fault) return fault.message;
    throw fault;
  }
}

class Fault extends Error {}

/** What a plain connection received, and what is known about where it begins. */
type Plain = {
  readonly events: readonly ReceivedEvent[];
  readonly messages: readonly Message[];
  readonly before: number;
  readonly firstDue: TrueChange | undefined;
  /** The faults found so far, by index and position. */
  readonly known: Map<string, string | undefined>;
};

class Judge {
  readonly #connection: Connection;
  readonly #wanted: readonly TrueChange[];
  readonly #base: number;
  readonly #last: number;
  readonly #logLength: number;

  constructor(connection: Connection, wanted: readonly TrueChange[], truth: readonly TrueChange[], logLength: number) {
    this.#connection = connection;
    this.#wanted = wanted;
    this.#base = (truth[0]?.revision ?? 1) - 1;
    this.#last = truth.at(-1)?.revision ?? 0;
    this.#logLength = logLength;
  }

  /** Judges a connection with `ready` and `reset`. */
  control(): void {
    const { since, messages, ended } = this.#connection;
    /** The subscriber has everything up to this revision. Without `since`, it is unknown until the first `ready`. */
    let position = since === 0 ? undefined : since;
    let snapshot: { readonly from?: number; readonly events: ReceivedEvent[] } | undefined =
      since === 0 ? { events: [] } : undefined;
    let isFirst = true;
    for (const message of messages) {
      const { received } = message;
      if (received.event === "reset") {
        if (snapshot) throw new Fault(`reset ${received.revision} in the middle of a snapshot`);
        if (position === undefined) throw new Fault("reset before ready, without since");
        this.#checkTruncated(position, message);
        snapshot = { ...(received.revision !== undefined && { from: received.revision }), events: [] };
      } else if (received.event === "ready") {
        const { revision = 0 } = received;
        if (snapshot) this.#checkSnapshot(snapshot.events, snapshot.from, revision);
        else if (position === undefined) this.#checkBeginning(revision);
        else {
          const missing = this.#after(position);
          if (missing && missing.revision <= revision) {
            throw new Fault(`ready ${revision}, but after ${position} the change ${missing.revision} was not sent`);
          }
          if (revision < position) throw new Fault(`ready ${revision} after ${position}`);
        }
        snapshot = undefined;
        position = revision;
      } else if (snapshot) {
        snapshot.events.push(received as ReceivedEvent);
      } else {
        if (position === undefined) throw new Fault(`${received.revision} before ready`);
        position = this.#checkNext(received as ReceivedEvent, position);
      }
      isFirst = false;
    }
    if (snapshot) this.#checkCutSnapshot(snapshot.events, snapshot.from);
    if (ended) return;
    if (snapshot || position === undefined || (isFirst && since !== undefined)) throw new Fault("never became ready");
    const missing = this.#after(position);
    if (missing) throw new Fault(`at the end ${missing.revision} is missing; the last was ${position}`);
  }

  /** Judges a plain connection, which gets neither `ready` nor `reset`. */
  plain(): void {
    const { begun, open, messages } = this.#connection;
    const events = messages.map(({ received }) => received as ReceivedEvent);
    const control = events.find(({ event }) => event !== "value" && event !== "schema");
    if (control) throw new Fault(`a plain subscriber was sent ${JSON.stringify(control)}`);
    // A plain connection does not say where it begins. It may or may not include changes applied while it connected.
    const before = Math.max(0, ...this.#wanted.filter(({ answered }) => answered < begun).map((c) => c.revision));
    const firstDue = this.#wanted.find((change) => change.begun > open);
    const fault = this.#plainFault({ events, messages, before, firstDue, known: new Map() }, 0, before);
    if (fault !== undefined) throw new Fault(fault);
  }

  /**
   * Returns the fault in the events from `index` on, for a subscriber that has everything up to `position`. A gap can
   * have several explanations, and a wrong one can fail much later, so this tries each of them.
   */
  #plainFault(plain: Plain, index: number, position: number): string | undefined {
    const { events, before, firstDue, known } = plain;
    const state = `${index} ${position}`;
    if (known.has(state)) return known.get(state);
    for (; index < events.length; index++) {
      const event = events[index] as ReceivedEvent;
      const next =
        index === 0 ? this.#wanted.find(({ revision }) => revision === event.revision) : this.#after(position);
      const skips = index === 0 && firstDue !== undefined && firstDue.revision < event.revision;
      if (next?.revision !== event.revision || skips || event.revision <= before || !isChange(event, next)) break;
      position = event.revision;
    }
    const fault = index < events.length ? this.#gapFault(plain, index, position) : this.#endFault(plain, position);
    known.set(state, fault);
    return fault;
  }

  #endFault({ events, firstDue }: Plain, position: number): string | undefined {
    if (this.#connection.ended) return undefined;
    const missing = events.length > 0 ? this.#after(position) : firstDue;
    if (!missing) return undefined;
    // The log may have dropped the changes after its position, and the snapshot may have had nothing to replace them.
    const reach = events.length > 0 ? position : this.#base;
    const isDropped = this.#last - reach > this.#logLength;
    if (isDropped && !this.#snapshotFault([], this.#last, missing.revision - 1)) return undefined;
    return `at the end ${missing.revision} is missing; the last was ${position}`;
  }

  /** Returns the fault of the first explanation if no explanation of the gap before the event at `index` is correct. */
  #gapFault(plain: Plain, index: number, position: number): string | undefined {
    const { before, firstDue } = plain;
    const due = Math.max(before, (firstDue?.revision ?? 0) - 1);
    // A newcomer may have joined before or after any change applied while it connected.
    const between = this.#wanted.map(({ revision }) => revision).filter((each) => each > before && each < due);
    let first: string | undefined;
    for (const start of index === 0 ? [due, ...between.reverse(), before] : [position]) {
      try {
        for (const [next, end] of this.#skipGap(plain, index, start)) {
          const fault = this.#plainFault(plain, end, next);
          if (fault === undefined) return undefined;
          first ??= fault;
        }
      } catch (fault) {
        if (!(fault instanceof Fault)) throw fault;
        first ??= fault.message;
      }
    }
    return first;
  }

  /**
   * After missing changes, a snapshot must follow, and then the changes after it. Yields each place where judging can
   * continue: a position, and the index of the event after it. @throws {Fault} at the end
   */
  *#skipGap({ events, messages }: Plain, index: number, position: number): Generator<[number, number]> {
    const where = `after ${position}: got ${describe(events.slice(index, index + 5))}, expected ${this.#after(position)?.revision}`;
    // The revision at which a newcomer joined is unknown. It may be well before the first change that it wants.
    const reach = index === 0 ? this.#base : position;
    if (this.#headAt(messages[index] as Message) - reach <= this.#logLength) {
      throw new Fault(`a gap or a repetition ${where}`);
    }
    // Events of a snapshot have 0 as `previous`.
    let most = index;
    while (events[most]?.previous === 0) most++;
    for (let end = most; end >= index; end--) {
      const snapshot = events.slice(index, end);
      const newest = Math.max(position, ...snapshot.map(({ revision }) => revision));
      const next = events[end];
      // If a live change follows, it tells the revision of the snapshot. At the end, or if the channel started over
      // again, any state that is not older is correct.
      const isLive = next !== undefined && next.previous > 0;
      const states = this.#wanted.map(({ revision }) => revision).concat(this.#last);
      // At the end, try the latest state first: a snapshot omits what was deleted by then.
      const froms = isLive ? [next.revision - 1] : next ? states : states.reverse();
      for (const from of froms) {
        const due = this.#after(from);
        if (from < newest || (isLive && (due === undefined || !isChange(next, due)))) continue;
        if (snapshot.length === 0 && !isLive) continue;
        // If the connection ended, it may not have received the rest.
        const isCut = next ? !isLive : this.#connection.ended;
        if (!this.#snapshotFault(snapshot, from, position, isCut))
          yield isLive ? [next.revision, end + 1] : [from, end];
      }
      if (isLive && this.#startedOverTwice(snapshot, position, messages[end] as Message))
        yield [next.revision, end + 1];
    }
    throw new Fault(`the snapshot that replaces lost changes is wrong ${where}`);
  }

  /**
   * Whether this was a correct snapshot at some time, and the log was truncated again before the live change that
   * follows, with nothing left to send.
   */
  #startedOverTwice(snapshot: readonly ReceivedEvent[], position: number, live: Message): boolean {
    const event = live.received as ReceivedEvent;
    const due = this.#after(event.revision - 1);
    if (!due || !isChange(event, due)) return false;
    const newest = Math.max(position, ...snapshot.map(({ revision }) => revision));
    return this.#wanted.some(
      ({ revision: from }) =>
        from >= newest &&
        this.#headAt(live) - from > this.#logLength &&
        !this.#snapshotFault(snapshot, from, position) &&
        !this.#snapshotFault([], event.revision - 1, from),
    );
  }

  /** Without `ready`, all that can be required of a snapshot is that each of its events was correct at some time. */
  #checkCutSnapshot(events: readonly ReceivedEvent[], from: number | undefined): void {
    const seen = new Set<string>();
    for (const event of events) {
      const change = this.#wanted.find(({ revision }) => revision === event.revision);
      if (!change) throw new Fault(`a snapshot has ${event.revision}, which the subscriber did not ask for`);
      if (event.previous === 0 && (from === undefined || event.revision <= from)) {
        if (seen.has(subject(event))) throw new Fault(`a snapshot has ${subject(event)} twice`);
        seen.add(subject(event));
      }
      if (!isChange(event, event.previous === 0 ? { ...change, previous: 0 } : change)) {
        throw new Fault(`a snapshot has ${event.revision}, which differs from what was written`);
      }
    }
  }

  /** A snapshot must have the state at `from`, and then the changes after it, up to `ready`. */
  #checkSnapshot(events: readonly ReceivedEvent[], from: number | undefined, ready: number): void {
    let fault = "";
    for (let end = 0; end <= events.length; end++) {
      const [snapshot, live] = [events.slice(0, end), events.slice(end)];
      // Only `reset` tells the revision of a snapshot. Otherwise the change that follows shows it.
      const at = from ?? (live[0] ? live[0].revision - 1 : ready);
      const due = this.#wanted.filter(({ revision }) => revision > at && revision <= ready);
      const isLive = due.length === live.length && due.every((change, n) => isChange(live[n] as ReceivedEvent, change));
      const wrong = isLive
        ? this.#snapshotFault(snapshot, at, 0)
        : `the events that follow are not the changes after ${at}`;
      if (wrong === undefined) return;
      fault = wrong;
    }
    throw new Fault(`the snapshot of ${from ?? "?"} with ready ${ready} is wrong: ${fault}: ${describe(events)}`);
  }

  /**
   * Returns why `events` is not a correct snapshot at `from` for a subscriber that has everything up to `position`.
   * If `isCut`, events may be missing.
   */
  #snapshotFault(events: readonly ReceivedEvent[], from: number, position: number, isCut = false): string | undefined {
    const state = new Map<string, TrueChange>();
    for (const change of this.#wanted) if (change.revision <= from) state.set(subject(change), change);
    for (const event of events) {
      const change = state.get(subject(event));
      if (change?.action !== "set" || change.revision <= position)
        return `${event.revision} was not current at ${from}`;
      if (!isChange(event, { ...change, previous: 0 })) return `${event.revision} differs from what was written`;
      state.delete(subject(event));
    }
    if (isCut) return undefined;
    for (const [name, change] of state) {
      if (change.action !== "set" || change.revision <= position) continue;
      // A snapshot is not of one moment. It may omit what changed meanwhile, because that change follows.
      const changed = this.#wanted.some((later) => later.revision > from && subject(later) === name);
      if (!changed) return `${name}, ${change.revision}, is missing`;
    }
    return undefined;
  }

  #checkNext(event: ReceivedEvent, position: number): number {
    const next = this.#after(position);
    if (next?.revision !== event.revision) {
      throw new Fault(`got ${event.revision} after ${position}, expected ${next?.revision ?? "nothing"}`);
    }
    if (!isChange(event, next))
      throw new Fault(`${event.revision} differs from what was written: ${JSON.stringify(event)}`);
    return event.revision;
  }

  /** Writes that begin later must be above `revision`. Writes that were acknowledged before must not be. */
  #checkBeginning(revision: number): void {
    const { begun, open } = this.#connection;
    const missed = this.#wanted.find((change) => change.begun > open && change.revision <= revision);
    if (missed) throw new Fault(`ready ${revision} includes ${missed.revision}, which was written later`);
    const old = this.#wanted.find((change) => change.answered < begun && change.revision > revision);
    if (old) throw new Fault(`ready ${revision} does not include ${old.revision}, which was written before`);
  }

  #checkTruncated(position: number, message: Message): void {
    if (this.#headAt(message) - position <= this.#logLength) {
      throw new Fault(`reset ${message.received.revision}, but the log still reached back to ${position}`);
    }
  }

  /** The highest revision that can have existed when the message arrived. */
  #headAt({ writesBegun }: Message): number {
    return this.#base + writesBegun;
  }

  #after(position: number): TrueChange | undefined {
    return this.#wanted.find(({ revision }) => revision > position);
  }
}

function isChange(event: ReceivedEvent, change: TrueChange): boolean {
  return (
    event.revision === change.revision &&
    event.previous === change.previous &&
    event.key === change.key &&
    event.event === change.event &&
    event.action === change.action &&
    event.by === change.by &&
    (JSON.stringify(event[event.event]) ?? null) === change.json
  );
}

const subject = ({ event, key }: { event: string; key: string }) => `the ${event} of ${key}`;

const describe = (events: readonly ReceivedEvent[]) =>
  events.map(({ revision, previous }) => `${revision}←${previous}`).join(" ");
