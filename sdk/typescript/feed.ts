// The live changes of one client: all its subscriptions share one socket. A new subscription opens a new socket, which
// begins at the revision of the old one and replaces it once it is ready, so no subscription misses a change. A
// subscription drops a change that it receives twice, by its revision. docs/decisions/0020 has the reasons.

import type { EventFilter } from "../protocol.ts";
import { backoffMs } from "./backoff.ts";
import type { MemxError } from "./errors.ts";
import type { ChangeEvent } from "./events.ts";
import type { Http } from "./http.ts";
import { mergePatterns } from "./merge-patterns.ts";
import type { Options } from "./options.ts";
import { Socket } from "./socket.ts";

/** The feed's view of a subscription. */
export type Member = {
  readonly patterns: readonly string[];
  readonly filter: EventFilter;
  /** The feed delivers every wanted change after `revision` from now on. Called whenever a socket becomes ready. */
  joined(revision: number): void;
  /** Changes since the last delivery may be missing. `joined` follows. */
  missed(): void;
  /** The member may not want the change, and may receive it twice, but never before a change with a lower revision. */
  deliver(event: ChangeEvent, chars: number): void;
  /** The client has no socket at present. */
  disconnected(): void;
  fail(error: MemxError): void;
};

type Connection = {
  readonly socket: Socket;
  readonly query: string;
  readonly members: ReadonlySet<Member>;
  /** Between `reset` and `ready` the socket sends a snapshot. The feed drops it: each member fetches what it needs. */
  resetting: boolean;
};

export class Feed {
  readonly #http: Http;
  readonly #options: Options;
  readonly #members = new Set<Member>();
  /** The connection that is ready, and the one that will replace it. */
  #current: Connection | undefined;
  #next: Connection | undefined;
  /** Every change up to this revision was delivered to all joined members. The next socket begins here. */
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

  /** Batches adds and removes within one microtask, so they share one socket. */
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
    if (this.#next || this.#pause) return; // Runs again when that is over.
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
    // May also go back: new members have received nothing of what the old socket was ahead.
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

  /** Fails the new members, one of which may be the cause; if there are none, all members of the socket. */
  #refuse({ members }: Connection, refusal: MemxError): void {
    const newMembers = [...members].filter((member) => this.#current && !this.#current.members.has(member));
    for (const member of newMembers.length > 0 ? newMembers : members) {
      if (this.#members.delete(member)) member.fail(refusal);
    }
  }

  /** Reconnects or pings at once, because the network may be back or have changed. */
  #hurry(): void {
    this.#current?.socket.ping();
    if (this.#pause === undefined) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#failures = 0;
    this.#reconcile();
  }
}

/** In a page, calls `hurry` when it comes online or becomes visible: its timers may have slept until then. */
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
