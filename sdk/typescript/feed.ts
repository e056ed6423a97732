// The live changes of one client: one socket, however many subscriptions. Each subscription that comes brings a new socket,
// which begins where the old one stands and takes its place once it is ready; so nobody misses a change, and what comes
// twice meanwhile each subscription drops by its revision. docs/decisions/0020 has the reasons.

import type { EventFilter } from "../protocol.ts";
import { backoffMs } from "./backoff.ts";
import type { MemxError } from "./errors.ts";
import type { ChangeEvent } from "./events.ts";
import type { Http } from "./http.ts";
import { mergePatterns } from "./merge-patterns.ts";
import type { Options } from "./options.ts";
import { Socket } from "./socket.ts";

/** A subscription as the feed sees it. */
export type Member = {
  readonly patterns: readonly string[];
  readonly filter: EventFilter;
  /** From now on it is told every change after `revision` that it wants. Again after each time the socket was replaced. */
  joined(revision: number): void;
  /** Something may be missing since what it had last. `joined` follows. */
  missed(): void;
  /** A change that may be for it, and may come twice, but never before one with a lower revision. */
  deliver(event: ChangeEvent, chars: number): void;
  /** There is no socket at present. */
  disconnected(): void;
  fail(error: MemxError): void;
};

type Connection = {
  readonly socket: Socket;
  readonly query: string;
  readonly members: ReadonlySet<Member>;
  /** Between `reset` and `ready`: a snapshot, which each member fetches for itself instead. */
  resetting: boolean;
};

export class Feed {
  readonly #http: Http;
  readonly #options: Options;
  readonly #members = new Set<Member>();
  /** The one that is ready, and the one that is to become so. */
  #current: Connection | undefined;
  #next: Connection | undefined;
  /** Every change up to it was delivered to those that have joined. Where the next socket begins. */
  #position: number | undefined;
  #failures = 0;
  #pause: ReturnType<typeof setTimeout> | undefined;
  #scheduled = false;
  #unlisten: (() => void) | undefined;

  constructor(http: Http, options: Options) {
    this.#http = http;
    this.#options = options;
  }

  add(member: Member): void {
    this.#members.add(member);
    this.#schedule();
  }

  remove(member: Member): void {
    if (this.#members.delete(member)) this.#schedule();
  }

  /** Those who come and go in one breath share a socket. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#reconcile();
    });
  }

  #reconcile(): void {
    if (this.#members.size === 0) {
      this.#rest();
      return;
    }
    this.#unlisten ??= listenToPage(() => this.#hurry());
    if (this.#next || this.#pause) return; // Looked at again when that is over.
    const isNew = (member: Member) => !this.#current?.members.has(member);
    if (this.#current?.query === this.#query() && ![...this.#members].some(isNew)) return;
    this.#open();
  }

  #rest(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    clearTimeout(this.#pause);
    this.#next?.socket.close();
    this.#current?.socket.close();
    this.#pause = this.#next = this.#current = this.#position = undefined;
    this.#failures = 0;
  }

  #query(): string {
    const filters = new Set(Array.from(this.#members, ({ filter }) => filter));
    const [event] = filters.size === 1 ? filters : ["all"];
    const pattern = mergePatterns(Array.from(this.#members, ({ patterns }) => patterns).flat());
    return this.#http.url("/watch", { event, pattern });
  }

  #open(): void {
    const query = this.#query();
    const since = this.#position === undefined ? "" : `&since=${this.#position}`;
    const socket = new Socket(`${query.replace(/^http/, "ws")}${since}`, this.#options, {
      onChange: (event, chars) => this.#deliver(connection, event, chars),
      onReset: () => {
        connection.resetting = true;
      },
      onReady: (revision) => this.#makeCurrent(connection, revision),
      onEnd: (refusal) => this.#ended(connection, refusal),
    });
    const connection: Connection = { socket, query, members: new Set(this.#members), resetting: false };
    this.#next = connection;
  }

  #deliver({ resetting }: Connection, event: ChangeEvent, chars: number): void {
    if (resetting) return;
    if (this.#position !== undefined) this.#position = Math.max(this.#position, event.revision);
    for (const member of this.#members) member.deliver(event, chars);
  }

  #makeCurrent(connection: Connection, revision: number): void {
    if (connection === this.#next) {
      this.#current?.socket.close();
      this.#current = connection;
      this.#next = undefined;
      this.#failures = 0;
    }
    // Also back: of what the old socket was ahead, the newcomers have had nothing.
    this.#position = revision;
    const { resetting } = connection;
    connection.resetting = false;
    for (const member of connection.members) {
      if (!this.#members.has(member)) continue;
      if (resetting) member.missed();
      member.joined(revision);
    }
    this.#reconcile();
  }

  #ended(connection: Connection, refusal: MemxError | undefined): void {
    if (connection === this.#next) this.#next = undefined;
    if (connection === this.#current) this.#current = undefined;
    if (refusal) this.#refuse(connection, refusal);
    else {
      if (!this.#current) for (const member of this.#members) member.disconnected();
      this.#pause ??= setTimeout(
        () => {
          this.#pause = undefined;
          this.#reconcile();
        },
        backoffMs(this.#failures++),
      );
    }
    this.#reconcile();
  }

  /** Ends the newcomers, who may be to blame; where there are none, all whom the socket was for. */
  #refuse({ members }: Connection, refusal: MemxError): void {
    const newcomers = [...members].filter((member) => this.#current && !this.#current.members.has(member));
    for (const member of newcomers.length > 0 ? newcomers : members) {
      if (this.#members.delete(member)) member.fail(refusal);
    }
  }

  /** The network may be back, or have changed. */
  #hurry(): void {
    this.#current?.socket.ping();
    if (this.#pause === undefined) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#failures = 0;
    this.#reconcile();
  }
}

/** In a page: it came online, or became visible, and its timers may have slept until now. */
function listenToPage(hurry: () => void): () => void {
  const page = globalThis as unknown as EventTarget & { document?: EventTarget & { visibilityState: string } };
  const { document } = page;
  if (!document) return () => {};
  const seen = () => document.visibilityState === "visible" && hurry();
  page.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", seen);
  return () => {
    page.removeEventListener("online", hurry);
    document.removeEventListener("visibilitychange", seen);
  };
}
