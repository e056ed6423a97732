// Which transport an attempt takes. With `calls: "auto"`, HTTP until several calls are in flight together, then a socket of calls
// for as long as it is busy, and HTTP again where sockets fail.

import { AnswerSizes } from "./answer-sizes.ts";
import { isSocketCall, type Message, toMessage } from "./call-message.ts";
import { CallSocket, type CallSocketHandlers } from "./call-socket.ts";
import { deferred } from "./deferred.ts";
import { Http, unreachable } from "./http.ts";
import { findWebSocket, type Options, type WebSocketClass } from "./options.ts";
import { withSignal } from "./signals.ts";
import type { Request, Transport } from "./transport.ts";
import { unrefCallSockets } from "./unref.ts";

/** With so many calls in flight together, a socket is faster than HTTP (docs/decisions/0054). */
const BUSY_CALLS = 4;

/** After a socket has failed, the next one is opened after this time, and after each further failure twice as long. */
const REOPEN_MS = 1_000;
const MAX_REOPEN_MS = 300_000;

export class ChooseTransport {
  readonly #options: Options;
  readonly #http: Http;
  readonly #sizes = new AnswerSizes();
  /** The calls in flight that a socket could carry, on either transport. */
  #inFlight = 0;
  /** The socket for new calls. It may still be opening. */
  #socket: CallSocket | undefined;
  #failures = 0;
  #reopenAt = 0;
  /** Calls that wait until the socket has room, the oldest first. */
  readonly #waiting: { readonly message: Message; readonly resolve: (place?: Transport) => void }[] = [];
  #keepAlive: ReturnType<typeof setInterval> | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#http = new Http(options);
  }

  /** Runs an attempt. The time that the attempt has begins when it runs: a call may have to wait for a place on the socket. */
  async use<T>(
    request: Request,
    signal: AbortSignal | undefined,
    attempt: (transport: Transport) => Promise<T>,
  ): Promise<T> {
    if (this.#options.calls === "http" || !isSocketCall(request.call)) return attempt(this.#http);
    this.#inFlight++;
    try {
      return await attempt(await this.#choose(request, signal));
    } finally {
      this.#inFlight--;
    }
  }

  close(): void {
    this.#socket?.retire();
  }

  async #choose(request: Request, signal: AbortSignal | undefined): Promise<Transport> {
    const { calls, agent } = this.#options;
    const WebSocket = findWebSocket(this.#options);
    if (!WebSocket || (calls === "auto" && !this.#usesSocket(WebSocket))) return this.#http;
    const message = toMessage(request, agent);
    if (!message) return this.#http;
    for (;;) {
      signal?.throwIfAborted();
      const socket = this.#socket;
      if (!socket?.isReady) {
        if (calls === "auto") return this.#http;
        await withSignal((socket ?? this.#open(WebSocket)).opened, signal);
        continue;
      }
      // Calls that wait are first.
      const place = this.#waiting.length > 0 ? undefined : socket.reserve(message);
      const transport = place ?? (await this.#waitForPlace(request, message, signal));
      if (transport) return transport;
    }
  }

  /** Whether `auto` takes the socket. Opens one if it is time to. */
  #usesSocket(WebSocket: WebSocketClass): boolean {
    if (this.#socket) return this.#socket.isReady;
    if (this.#inFlight >= BUSY_CALLS && performance.now() >= this.#reopenAt) this.#tryToOpen(WebSocket);
    return false;
  }

  #tryToOpen(WebSocket: WebSocketClass): void {
    try {
      this.#open(WebSocket);
    } catch {
      // Noted as a failure.
    }
  }

  #open(WebSocket: WebSocketClass): CallSocket {
    unrefCallSockets();
    const leave = () => {
      if (this.#socket === socket) this.#socket = undefined;
      this.#givePlaces();
    };
    const handlers: CallSocketHandlers = {
      onRoom: () => this.#givePlaces(),
      onRetire: (isRenewal) => {
        leave();
        if (isRenewal && !this.#socket) this.#tryToOpen(WebSocket);
      },
      onEnd: (error, answered) => {
        if (error) this.#noteFailure(answered);
        leave();
      },
    };
    let socket: CallSocket | undefined;
    try {
      socket = new CallSocket(WebSocket, this.#options, this.#sizes, handlers);
    } catch (cause) {
      this.#noteFailure(false);
      throw unreachable(this.#options.baseUrl, { cause });
    }
    this.#socket = socket;
    return socket;
  }

  #noteFailure(answered: boolean): void {
    this.#failures = answered ? 1 : this.#failures + 1;
    const waitMs = Math.min(MAX_REOPEN_MS, REOPEN_MS * 2 ** (this.#failures - 1));
    this.#reopenAt = performance.now() + waitMs * (0.5 + Math.random() / 2);
  }

  /** Returns `undefined` if there is no socket any more. */
  async #waitForPlace(
    request: Request,
    message: Message,
    signal: AbortSignal | undefined,
  ): Promise<Transport | undefined> {
    const { promise, resolve } = deferred<Transport | undefined>();
    const waiting = { message, resolve };
    this.#waiting.push(waiting);
    // What has the places may be calls that have given up, and no timer of theirs keeps the process alive.
    this.#keepAlive ??= setInterval(() => {}, 1_000);
    try {
      return await withSignal(promise, signal);
    } catch (reason) {
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
      // It got its place in the same moment, and gives it back.
      else void promise.then((place) => place?.send(request, AbortSignal.abort(reason))).catch(() => {});
      throw reason;
    } finally {
      if (this.#waiting.length === 0) {
        clearInterval(this.#keepAlive);
        this.#keepAlive = undefined;
      }
    }
  }

  #givePlaces(): void {
    const socket = this.#socket?.isReady ? this.#socket : undefined;
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const place = socket?.reserve(next.message);
      if (socket && !place) return;
      this.#waiting.shift();
      next.resolve(place);
    }
  }
}
