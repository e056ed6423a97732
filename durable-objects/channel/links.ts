// The relays below a channel or relay, and what is on its way to each. A link promises: every change up to `pos` was handed to
// the relay, or the relay will notice the gap by itself, and read the log. So nothing is sent again, and a slow relay holds up
// no other.

import { METRICS } from "../../memory/metrics.ts";
import type { Change } from "../../sdk/protocol.ts";

/** Between `after` (exclusive) and `upTo` (inclusive), exactly `changes` concern the relay. */
export type Forward = {
  readonly after: number;
  readonly upTo: number;
  readonly changes: readonly Change[];
  /** The relay's registration, as far as its parent knows. */
  readonly token: string;
};

/** `gone`: this relay is not needed, and it says so to the registration of that token only. */
export type Forwarded = { readonly gone?: string };

export type Relay = { forward(forward: Forward): Promise<Forwarded> };

/** Calls under way to a relay. Changes that come meanwhile wait, and leave together. */
const WINDOW = 4;

/** Changes of a call, and characters of their keys and values. */
const BATCH_CHANGES = 256;
const BATCH_CHARS = 1024 * 1024;

/** Characters that wait for a relay. With more, it reads the log instead. */
const MAX_QUEUED_CHARS = 8 * 1024 * 1024;

/** Tries of a call, and the longest pause before the second. */
const TRIES = 3;
const MAX_FIRST_DELAY_MS = 200;

/** Calls in a row that fail with all their tries, after which the parent drops the relay. Its own alarm registers it again. */
const MAX_FAILURES = 6;

type Link = {
  pos: number;
  queue: Change[];
  queuedChars: number;
  inFlight: number;
  behind: boolean;
  failures: number;
  dropped: boolean;
  /** Kept, because calls on one stub arrive in order. */
  relay: Relay | undefined;
};

type Options = {
  /** The token of each relay by its name, as stored. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly store: (tokens: Readonly<Record<string, string>>) => void;
  readonly cursor: () => number;
  readonly open: (name: string) => Relay;
  readonly inTurn: (step: () => Promise<void>) => Promise<void>;
  readonly waitUntil: (work: Promise<void>) => void;
  /** Rejects if a call takes too long. */
  readonly deadline: <T>(call: Promise<T>) => Promise<T>;
  readonly wait: (ms: number) => Promise<void>;
};

export class Links {
  readonly #options: Options;
  readonly #tokens: Map<string, string>;
  readonly #links = new Map<string, Link>();

  constructor(options: Options) {
    this.#options = options;
    this.#tokens = new Map(Object.entries(options.tokens));
  }

  /** Relays that are registered. */
  get size(): number {
    return this.#tokens.size;
  }

  isEmpty(): boolean {
    return this.size === 0;
  }

  /** Links begin where the object woke up. Call it before the cursor moves. */
  start(pos: number): void {
    for (const name of this.#tokens.keys()) this.#links.set(name, newLink(pos));
  }

  /** Records a registration. The relay gets every change after `pos`. Call it in turn. */
  add(name: string, token: string, pos: number): void {
    this.#tokens.set(name, token);
    this.#store();
    if (!this.#links.has(name)) this.#links.set(name, newLink(pos));
  }

  /** Removes a relay, but only the registration of this token. */
  remove(name: string, token: string): void {
    if (this.#tokens.get(name) !== token) return;
    this.#tokens.delete(name);
    this.#store();
    const link = this.#links.get(name);
    if (link) link.dropped = true;
    this.#links.delete(name);
  }

  /** Takes a change to every relay. Call it in turn, together with the move of the cursor. */
  offer(change: Change): void {
    for (const [name, link] of this.#links) {
      if (change.revision <= link.pos) continue;
      link.queue.push(change);
      link.queuedChars += charsOf(change);
      if (link.queuedChars > MAX_QUEUED_CHARS) fallBehind(link);
      this.#pump(name, link);
    }
  }

  /** Tells every relay to read the log, because this node cannot say what is before its cursor. */
  nudge(): void {
    for (const [name, link] of this.#links) {
      fallBehind(link);
      this.#pump(name, link);
    }
  }

  /** Tries again where the last call failed. */
  retry(): void {
    for (const [name, link] of this.#links) if (link.behind) this.#pump(name, link);
  }

  #drop(name: string, link: Link, token: string): void {
    if (link.dropped) return;
    this.remove(name, token);
    if (link.dropped) METRICS.relaysDropped.add();
  }

  #store(): void {
    this.#options.store(Object.fromEntries(this.#tokens));
  }

  #pump(name: string, link: Link): void {
    if (link.dropped || link.inFlight >= WINDOW || (link.queue.length === 0 && !link.behind)) return;
    link.inFlight++;
    this.#options.waitUntil(
      this.#send(name, link, this.#next(name, link)).then((arrived) => {
        link.inFlight--;
        // After a failure, a relay without new changes waits for the next one, or the alarm.
        if (arrived || link.queue.length > 0) this.#pump(name, link);
      }),
    );
  }

  #next(name: string, link: Link): Forward {
    const changes: Change[] = [];
    for (let chars = 0; chars < BATCH_CHARS && changes.length < BATCH_CHANGES; ) {
      const change = link.queue.shift();
      if (!change) break;
      chars += charsOf(change);
      link.queuedChars -= charsOf(change);
      changes.push(change);
    }
    const isAll = link.queue.length === 0;
    const upTo = isAll ? Math.max(link.pos, this.#options.cursor()) : (changes.at(-1)?.revision ?? link.pos);
    // The relay sees a gap before the first change, or before `upTo`.
    const after = link.behind ? (changes[0] ? changes[0].revision - 1 : upTo) : link.pos;
    link.behind = false;
    link.pos = upTo;
    return { after, upTo, changes, token: this.#tokens.get(name) as string };
  }

  /** Returns whether it arrived. */
  async #send(name: string, link: Link, forward: Forward): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        link.relay ??= this.#options.open(name);
        const { gone } = await this.#options.deadline(link.relay.forward(forward));
        METRICS.forwards.add(gone === undefined ? "arrived" : "gone");
        link.failures = 0;
        if (gone !== undefined) await this.#options.inTurn(async () => this.remove(name, gone));
        return true;
      } catch {
        // A stub that has failed stays broken.
        link.relay = undefined;
        if (attempt < TRIES) {
          await this.#options.wait(MAX_FIRST_DELAY_MS * 2 ** (attempt - 1) * Math.random());
          continue;
        }
        METRICS.forwards.add("failed");
        METRICS.relaysBehind.add();
        link.behind = true;
        if (++link.failures >= MAX_FAILURES) this.#drop(name, link, forward.token);
        return false;
      }
    }
  }
}

function newLink(pos: number): Link {
  return { pos, queue: [], queuedChars: 0, inFlight: 0, behind: false, failures: 0, dropped: false, relay: undefined };
}

function fallBehind(link: Link): void {
  link.queue = [];
  link.queuedChars = 0;
  link.behind = true;
  METRICS.relaysBehind.add();
}

function charsOf({ key, json }: Change): number {
  return key.length + (json?.length ?? 0);
}
