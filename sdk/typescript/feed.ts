// The live changes of one client: all its subscriptions share one socket. A new subscription opens a new socket, which
// begins at the revision of the old one and replaces it once it is ready, so no subscription misses a change. A
// subscription drops a change that it receives twice, by its revision. docs/decisions/0020 has the reasons.

import type { EventFilter } from "../protocol.ts";
import { backoffMs } from "./backoff.ts";
import type { Calls } from "./calls.ts";
import { type MemxError, NetworkError } from "./errors.ts";
import { EventStream } from "./event-stream.ts";
import type { ChangeEvent } from "./events.ts";
import type { Line } from "./line.ts";
import { mergePatterns } from "./merge-patterns.ts";
import { findWebSocket, type Options } from "./options.ts";
import { mayPass } from "./read-error.ts";
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
  /** The client has no socket for the member at present, and tries again. Called for every attempt that fails. */
  disconnected(error: MemxError): void;
  fail(error: unknown): void;
};

type Connection = {
  /** Closes the socket. `undefined` while it is made. */
  line: Line | undefined;
  readonly wanted: Wanted;
  readonly members: ReadonlySet<Member>;
  /** Between `reset` and `ready` the socket sends a snapshot. The feed drops it: each member fetches what it needs. */
  resetting: boolean;
};

/** What a socket asks of memX: the query of `/watch` and `/changes`. */
type Wanted = { readonly event: EventFilter | undefined; readonly pattern: readonly string[] };

const WEBSOCKET_BLOCKED =
  "memX responds over HTTP, but the WebSocket does not open. If the network passes none, use the option `WebSocket: null`.";

export class Feed {
  readonly #calls: Calls;
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
  /** Aborts the requests that find out why a socket ended. */
  #asking = new AbortController();
  #isDiagnosing = false;

  constructor(calls: Calls, options: Options) {
    this.#calls = calls;
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
    if (this.#current && isSame(this.#current.wanted, this.#wanted()) && ![...this.#members].some(isNew)) return;
    this.#open();
  }

  #rest(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    clearTimeout(this.#pause);
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#next?.line?.close();
    this.#current?.line?.close();
    this.#pause = this.#next = this.#current = this.#position = undefined;
    this.#failures = 0;
  }

  #wanted(): Wanted {
    const filters = new Set(Array.from(this.#members, ({ filter }) => filter));
    const [event] = filters.size === 1 ? filters : (["all"] as const);
    const pattern = mergePatterns(Array.from(this.#members, ({ patterns }) => patterns).flat());
    return { event, pattern };
  }

  #open(): void {
    const connection: Connection = {
      line: undefined,
      wanted: this.#wanted(),
      members: new Set(this.#members),
      resetting: false,
    };
    this.#next = connection;
    try {
      connection.line = this.#connect(connection);
    } catch (error) {
      // The setting does not get better by itself.
      this.#next = undefined;
      this.#refuse(connection, error);
      this.#schedule();
    }
  }

  /** @throws what the class of the WebSocket throws */
  #connect(connection: Connection): Line {
    const url = this.#calls.url("/watch", { ...connection.wanted, since: this.#position });
    const handlers = {
      onChange: (event: ChangeEvent, chars: number) => this.#deliver(connection, event, chars),
      onReset: () => {
        connection.resetting = true;
      },
      onReady: (revision: number) => this.#makeCurrent(connection, revision),
      onEnd: (error: MemxError) => {
        // 4403 says that the API key is unknown, or that it may read nothing of this.
        const isVague = connection.line instanceof Socket && error.code === "invalid_api_key";
        if (isVague) void this.#explain(connection, error);
        else this.#ended(connection, error);
      },
    };
    const WebSocket = findWebSocket(this.#options);
    return WebSocket
      ? new Socket(WebSocket, url, this.#options, handlers)
      : new EventStream(url, this.#options, handlers);
  }

  #deliver({ resetting }: Connection, event: ChangeEvent, chars: number): void {
    this.#calls.reads.note(event);
    if (resetting) return;
    if (this.#position !== undefined) this.#position = Math.max(this.#position, event.revision);
    for (const member of this.#members) member.deliver(event, chars);
  }

  #makeCurrent(connection: Connection, revision: number): void {
    this.#calls.reads.note({ revision });
    if (connection === this.#next) {
      this.#current?.line?.close();
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

  #ended(connection: Connection, error: unknown): void {
    const neverOpened = connection === this.#next && connection.line instanceof Socket;
    if (connection === this.#next) this.#next = undefined;
    else if (connection === this.#current) this.#current = undefined;
    else return; // The last member has left meanwhile.
    if (!mayPass(error)) this.#refuse(connection, error);
    else {
      if (neverOpened) void this.#diagnose(connection, error);
      else this.#report(error);
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

  /** Tells the members that no socket serves. */
  #report(error: MemxError): void {
    for (const member of this.#members) if (!this.#current?.members.has(member)) member.disconnected(error);
  }

  /** Reports why a WebSocket did not open, which it does not say itself. */
  async #diagnose(connection: Connection, error: MemxError): Promise<void> {
    if (this.#isDiagnosing) return;
    this.#isDiagnosing = true;
    const { signal } = this.#asking;
    const reason = await this.#ask(connection, error);
    this.#isDiagnosing = false;
    if (signal.aborted) return;
    if (mayPass(reason)) this.#report(reason);
    else if (!this.#current) this.#refuse(connection, reason);
    this.#schedule();
  }

  /** Ends a connection with the refusal of HTTP, which is more precise than the close code of a socket. */
  async #explain(connection: Connection, refusal: MemxError): Promise<void> {
    const reason = await this.#ask(connection, refusal);
    this.#ended(connection, mayPass(reason) ? refusal : reason);
  }

  /** Asks the same as a long poll, and returns its error. */
  #ask({ wanted }: Connection, cause: MemxError): Promise<unknown> {
    const { signal } = this.#asking;
    const query = { ...wanted, wait: 0 };
    return this.#calls.send({ method: "GET", path: "/changes", query, has: "changes", retries: 0, signal }).then(
      () => new NetworkError("network", WEBSOCKET_BLOCKED, { cause }),
      (error: unknown) => error,
    );
  }

  /** Fails the new members, one of which may be the cause; if there are none, all members of the socket. */
  #refuse({ members }: Connection, refusal: unknown): void {
    const newMembers = [...members].filter((member) => this.#current && !this.#current.members.has(member));
    for (const member of newMembers.length > 0 ? newMembers : members) {
      if (this.#members.delete(member)) member.fail(refusal);
    }
  }

  /** Reconnects or pings at once, because the network may be back or have changed. */
  #hurry(): void {
    this.#current?.line?.ping();
    if (this.#pause === undefined) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#failures = 0;
    this.#reconcile();
  }
}

function isSame(a: Wanted, b: Wanted): boolean {
  return a.event === b.event && a.pattern.join("\n") === b.pattern.join("\n");
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
