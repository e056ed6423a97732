// Judges what one connection was sent against the truth: every change in order, once, or a `reset` and a right snapshot
// where the log was truncated. Knows nothing of how the changes came.

import { type Connection, type Filter, type Message, type ReceivedEvent, type TrueChange, wantedBy } from "./truth.ts";

export type Judgment = { readonly logLength: number; readonly truth: readonly TrueChange[] };

/** The first thing that is wrong, if anything is. */
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

  /** A connection with `ready` and `reset`. */
  control(): void {
    const { since, messages, ended } = this.#connection;
    /** The subscriber has everything up to here; not known before the first `ready` of one that asked for nothing old. */
    let position = since === 0 ? undefined : since;
    let snapshot: { readonly from?: number; readonly events: ReceivedEvent[] } | undefined =
      since === 0 ? { events: [] } : undefined;
    let isFirst = true;
    for (const message of messages) {
      const { received } = message;
      if (received.event === "reset") {
        if (snapshot) throw new Fault(`reset ${received.revision} in the middle of a snapshot`);
        if (position === undefined) throw new Fault("reset before ready, of one that asked for nothing old");
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

  /** A connection of one that knows of changes only, and from its beginning on. */
  plain(): void {
    const { begun, open, messages, ended } = this.#connection;
    const events = messages.map(({ received }) => received as ReceivedEvent);
    const control = events.find(({ event }) => event !== "value" && event !== "schema");
    if (control) throw new Fault(`a plain subscriber was sent ${JSON.stringify(control)}`);
    // Where it began is not told. What was applied while it connected may come or not.
    const before = Math.max(0, ...this.#wanted.filter(({ answered }) => answered < begun).map((c) => c.revision));
    const firstDue = this.#wanted.find((change) => change.begun > open);
    let position = before;
    for (let index = 0; index < events.length; ) {
      const event = events[index] as ReceivedEvent;
      const next =
        index === 0 ? this.#wanted.find(({ revision }) => revision === event.revision) : this.#after(position);
      const skips = index === 0 && firstDue !== undefined && firstDue.revision < event.revision;
      if (next && next.revision === event.revision && !skips && event.revision > before && isChange(event, next)) {
        position = event.revision;
        index++;
      } else {
        [position, index] =
          index === 0
            ? this.#skipFirstGap(events, before, Math.max(before, (firstDue?.revision ?? 0) - 1), messages)
            : this.#skipGap(events, index, position, messages);
      }
    }
    if (ended) return;
    const missing = events.length > 0 ? this.#after(position) : firstDue;
    if (!missing) return;
    // The log may have lost what came after where it stood, and that may have left nothing behind.
    const reach = events.length > 0 ? position : this.#base;
    if (this.#last - reach <= this.#logLength || this.#heldFault([], this.#last, missing.revision - 1)) {
      throw new Fault(`at the end ${missing.revision} is missing; the last was ${position}`);
    }
  }

  /** As `skipGap` for a newcomer, which may have joined before or after whatever was applied while it connected. */
  #skipFirstGap(
    events: readonly ReceivedEvent[],
    before: number,
    due: number,
    messages: readonly Message[],
  ): [number, number] {
    const between = this.#wanted
      .map(({ revision }) => revision)
      .filter((revision) => revision > before && revision < due);
    let first: Fault | undefined;
    for (const position of [due, ...between.reverse(), before]) {
      try {
        return this.#skipGap(events, 0, position, messages);
      } catch (fault) {
        if (!(fault instanceof Fault)) throw fault;
        first ??= fault;
      }
    }
    throw first;
  }

  /** Changes are missing: what is held instead has to follow, and then what came after it. Answers where it goes on. */
  #skipGap(
    events: readonly ReceivedEvent[],
    index: number,
    position: number,
    messages: readonly Message[],
  ): [number, number] {
    const told = `after ${position}: ${describe(events.slice(index, index + 5))}, where ${this.#after(position)?.revision} was due`;
    // Where a newcomer joined is not told, and may be well before the first change that it wanted.
    const reach = index === 0 ? this.#base : position;
    if (this.#headAt(messages[index] as Message) - reach <= this.#logLength) {
      throw new Fault(`a gap or a repetition ${told}`);
    }
    // What is held comes without the change before it.
    let most = index;
    while (events[most]?.previous === 0) most++;
    for (let end = most; end >= index; end--) {
      const held = events.slice(index, end);
      const newest = Math.max(position, ...held.map(({ revision }) => revision));
      const next = events[end];
      // Where a live change follows, it says of when this is. At the end, or where the channel started over once more, any
      // state will do that is not older.
      const isLive = next !== undefined && next.previous > 0;
      const states = this.#wanted.map(({ revision }) => revision).concat(this.#last);
      // At the end the latest first: what has left nothing behind by then is not told.
      const froms = isLive ? [next.revision - 1] : next ? states : states.reverse();
      for (const from of froms) {
        const due = this.#after(from);
        if (from < newest || (isLive && (due === undefined || !isChange(next, due)))) continue;
        if (held.length === 0 && !isLive) continue;
        // Of a connection that ended, the rest may not have come.
        const isCut = next ? !isLive : this.#connection.ended;
        if (!this.#heldFault(held, from, position, isCut)) return isLive ? [next.revision, end + 1] : [from, end];
      }
      if (isLive && this.#startedOverTwice(held, position, messages[end] as Message)) return [next.revision, end + 1];
    }
    throw new Fault(`what was sent instead of lost changes is not what was held, ${told}`);
  }

  /** Whether this was held once, and by the time of the live change that followed the log was lost again, with nothing left to send. */
  #startedOverTwice(held: readonly ReceivedEvent[], position: number, live: Message): boolean {
    const event = live.received as ReceivedEvent;
    const due = this.#after(event.revision - 1);
    if (!due || !isChange(event, due)) return false;
    const newest = Math.max(position, ...held.map(({ revision }) => revision));
    return this.#wanted.some(
      ({ revision: from }) =>
        from >= newest &&
        this.#headAt(live) - from > this.#logLength &&
        !this.#heldFault(held, from, position) &&
        !this.#heldFault([], event.revision - 1, from),
    );
  }

  /** Without `ready`, no more can be asked of a snapshot than that each of its parts was once right. */
  #checkCutSnapshot(events: readonly ReceivedEvent[], from: number | undefined): void {
    const held = new Set<string>();
    for (const event of events) {
      const change = this.#wanted.find(({ revision }) => revision === event.revision);
      if (!change) throw new Fault(`${event.revision} of a snapshot was never wanted`);
      if (event.previous === 0 && (from === undefined || event.revision <= from)) {
        if (held.has(subject(event))) throw new Fault(`a snapshot has ${subject(event)} twice`);
        held.add(subject(event));
      }
      if (!isChange(event, event.previous === 0 ? { ...change, previous: 0 } : change)) {
        throw new Fault(`a snapshot has another ${event.revision} than was written`);
      }
    }
  }

  /** What is held at `from`, then the changes after it up to `ready`. */
  #checkSnapshot(events: readonly ReceivedEvent[], from: number | undefined, ready: number): void {
    let fault = "";
    for (let end = 0; end <= events.length; end++) {
      const [held, live] = [events.slice(0, end), events.slice(end)];
      // Only `reset` says of which revision a snapshot is; what follows it shows.
      const at = from ?? (live[0] ? live[0].revision - 1 : ready);
      const due = this.#wanted.filter(({ revision }) => revision > at && revision <= ready);
      const isLive = due.length === live.length && due.every((change, n) => isChange(live[n] as ReceivedEvent, change));
      const wrong = isLive ? this.#heldFault(held, at, 0) : `the changes after ${at} are not what followed`;
      if (wrong === undefined) return;
      fault = wrong;
    }
    throw new Fault(`the snapshot of ${from ?? "?"} with ready ${ready} is wrong: ${fault}: ${describe(events)}`);
  }

  /** Whether these are what was held at `from` and changed after `position`, or some of it. */
  #heldFault(events: readonly ReceivedEvent[], from: number, position: number, isCut = false): string | undefined {
    const held = new Map<string, TrueChange>();
    for (const change of this.#wanted) if (change.revision <= from) held.set(subject(change), change);
    for (const event of events) {
      const change = held.get(subject(event));
      if (change?.action !== "set" || change.revision <= position) return `${event.revision} was not held`;
      if (!isChange(event, { ...change, previous: 0 })) return `${event.revision} is not what was held`;
      held.delete(subject(event));
    }
    if (isCut) return undefined;
    for (const [name, change] of held) {
      if (change.action !== "set" || change.revision <= position) continue;
      // A snapshot is not of one moment. What has changed meanwhile is left to that change.
      const changed = this.#wanted.some((later) => later.revision > from && subject(later) === name);
      if (!changed) return `${name}, ${change.revision}, is missing`;
    }
    return undefined;
  }

  #checkNext(event: ReceivedEvent, position: number): number {
    const next = this.#after(position);
    if (next?.revision !== event.revision) {
      throw new Fault(`${event.revision} after ${position}, where ${next?.revision ?? "nothing"} was due`);
    }
    if (!isChange(event, next)) throw new Fault(`${event.revision} is not as it was written: ${JSON.stringify(event)}`);
    return event.revision;
  }

  /** Everything that is written from now on is above `revision`, and nothing that was answered before. */
  #checkBeginning(revision: number): void {
    const { begun, open } = this.#connection;
    const missed = this.#wanted.find((change) => change.begun > open && change.revision <= revision);
    if (missed) throw new Fault(`ready ${revision} comes before ${missed.revision} was written`);
    const old = this.#wanted.find((change) => change.answered < begun && change.revision > revision);
    if (old) throw new Fault(`ready ${revision} is behind ${old.revision}`);
  }

  #checkTruncated(position: number, message: Message): void {
    if (this.#headAt(message) - position <= this.#logLength) {
      throw new Fault(`reset ${message.received.revision}, but the log still reached back to ${position}`);
    }
  }

  /** No revision can have been higher when the message came. */
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
    (JSON.stringify(event[event.event]) ?? null) === change.json
  );
}

const subject = ({ event, key }: { event: string; key: string }) => `the ${event} of ${key}`;

const describe = (events: readonly ReceivedEvent[]) =>
  events.map(({ revision, previous }) => `${revision}←${previous}`).join(" ");
