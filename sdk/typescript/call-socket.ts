// One socket of calls: joins the calls of a turn into frames, gives each its answer, and notices when it is dead. It ends once;
// `ChooseTransport` opens the next one.

import { CALLS_SUBPROTOCOL, CLOSE_CODES, RENEW, splitFrame } from "../protocol.ts";
import type { AnswerSizes } from "./answer-sizes.ts";
import { joinMessages, type Message, readAnswer } from "./call-message.ts";
import { noResponse } from "./calls.ts";
import { deferred } from "./deferred.ts";
import { type MemxError, NetworkError, TimeoutError } from "./errors.ts";
import { unreachable } from "./http.ts";
import type { Options, WebSocketClass, WebSocketLike } from "./options.ts";
import { readRefusal } from "./read-error.ts";
import { subprotocols } from "./subprotocols.ts";
import type { Reply, Request, Transport } from "./transport.ts";
import { unref } from "./unref.ts";

/** As in config/limits.ts of memX. */
const MAX_CALLS = 1_000;
const MAX_CALL_CHARS = 8 * 1_024 * 1_024;

/**
 * A quarter of what memX lets be unread: it learns only from the second ping after an answer that the client has read it, and
 * answers may be larger than expected.
 */
const MAX_ANSWER_CHARS = 2 * 1_024 * 1_024;

/** memX expects a ping after this many characters, as a sign that the client has read them. */
const PING_AFTER_CHARS = 256 * 1_024;

/** A socket without calls closes after this time. */
const IDLE_MS = 2_000;

/** Microtasks after the first call of a turn within which the others follow. */
const HOPS = 30;

const STRANGE = "A message of the WebSocket does not come from memX.";

/** A call without an answer. It keeps its place if its caller has given up. */
type Place = {
  readonly message: Message;
  readonly answerChars: number;
  /** Frames that had come when the call was sent. */
  heard: number;
  /** `undefined` before it is sent, and once it has given up. */
  caller?: { readonly key: string | undefined; resolve(reply: Reply): void; reject(error: unknown): void } | undefined;
  isAbandoned: boolean;
};

export type CallSocketHandlers = {
  /** A place is free. */
  readonly onRoom: () => void;
  /** The socket takes no more calls. `isRenewal` if memX asked for the next one. */
  readonly onRetire: (isRenewal: boolean) => void;
  /** The socket has ended. `error` if it did not end as planned, `answered` if it worked until then. */
  readonly onEnd: (error: MemxError | undefined, answered: boolean) => void;
};

export class CallSocket {
  readonly #options: Options;
  readonly #sizes: AnswerSizes;
  readonly #handlers: CallSocketHandlers;
  readonly #socket: WebSocketLike;
  readonly #opened = deferred<void>();
  readonly #places = new Map<number, Place>();
  #outgoing: number[] = [];
  #lastId = 0;
  #chars = 0;
  #answerChars = 0;
  #state: "opening" | "ready" | "retired" | "ended" = "opening";
  #answered = false;
  #heard = 0;
  #unconfirmed = 0;
  #pinged = false;
  readonly #pings: ReturnType<typeof setInterval>;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** @throws what the class of the WebSocket throws */
  constructor(WebSocket: WebSocketClass, options: Options, sizes: AnswerSizes, handlers: CallSocketHandlers) {
    this.#options = options;
    this.#sizes = sizes;
    this.#handlers = handlers;
    // Nobody may wait for it.
    this.#opened.promise.catch(() => {});
    const url = `${options.baseUrl.replace(/^http/, "ws")}/connect`;
    this.#socket = new WebSocket(url, subprotocols(CALLS_SUBPROTOCOL, options.apiKey));
    this.#socket.addEventListener("open", () => this.#ping());
    this.#socket.addEventListener("message", ({ data }) => this.#hear(data));
    this.#socket.addEventListener("close", ({ code, reason }) => this.#hearClose(code, reason));
    this.#socket.addEventListener("error", () => this.#fail("The WebSocket failed."));
    this.#pings = setInterval(() => this.#ping(), options.pingIntervalMs);
    unref(this.#pings);
    this.#silence = setTimeout(() => this.#end((key) => noResponse(options.timeoutMs, key)), options.timeoutMs);
    if (options.calls === "auto") unref(this.#silence);
  }

  /** Resolves once memX has responded to a ping: some proxies open sockets that pass nothing. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** Takes a place for a call, or returns `undefined` if there is no room. The result must be used at once. */
  reserve(message: Message): Transport | undefined {
    const answerChars = this.#sizes.of(message.name);
    const { size } = this.#places;
    if (size >= MAX_CALLS || this.#chars + message.rest.length > MAX_CALL_CHARS) return undefined;
    if (size > 0 && this.#answerChars + answerChars > MAX_ANSWER_CHARS) return undefined;
    clearTimeout(this.#idle);
    const id = ++this.#lastId;
    this.#places.set(id, { message, answerChars, heard: this.#heard, isAbandoned: false });
    this.#chars += message.rest.length;
    this.#answerChars += answerChars;
    return { send: (request, signal) => this.#send(id, request, signal) };
  }

  /** Takes no more calls, and ends once it has answered all. A socket that still opens ends when it is idle. */
  retire(isRenewal = false): void {
    if (this.#state !== "ready") return;
    this.#state = "retired";
    this.#handlers.onRetire(isRenewal);
    this.#endIfDone();
  }

  #send(id: number, { call: { key } }: Request, signal: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const place = this.#places.get(id);
      if (!place) return reject(new NetworkError("network", "The socket broke before the call was sent.", { key }));
      const abort = () => {
        place.caller = undefined;
        place.isAbandoned = true;
        reject(signal.reason);
        this.#abandon(id, place, signal.reason);
      };
      const forget = () => signal.removeEventListener("abort", abort);
      place.caller = {
        key,
        resolve(reply) {
          forget();
          resolve(reply);
        },
        reject(error) {
          forget();
          reject(error);
        },
      };
      if (this.#outgoing.push(id) === 1) void this.#flushAfterTurn();
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort);
    });
  }

  /** The caller waits no longer. memX may still answer a call that was sent. */
  #abandon(id: number, place: Place, reason: unknown): void {
    const waiting = this.#outgoing.indexOf(id);
    if (waiting >= 0) this.#outgoing.splice(waiting, 1);
    if (waiting >= 0) this.#free(id, place);
    // Over HTTP, the next attempt would have another connection.
    else if (reason instanceof TimeoutError && place.heard === this.#heard) this.retire();
    this.#endIfDone();
  }

  async #flushAfterTurn(): Promise<void> {
    for (let hop = 0; hop < HOPS; hop++) await null;
    const messages: [id: number, message: Message][] = [];
    for (const id of this.#outgoing) {
      const place = this.#places.get(id) as Place;
      place.heard = this.#heard;
      messages.push([id, place.message]);
    }
    this.#outgoing = [];
    for (const frame of joinMessages(messages)) this.#write(frame);
  }

  #write(frame: string): void {
    if (this.#state === "ended") return;
    try {
      this.#socket.send(frame);
    } catch {
      this.#fail("The WebSocket failed.");
    }
  }

  #ping(): void {
    if (this.#pinged || this.#state === "ended") return;
    this.#pinged = true;
    this.#unconfirmed = 0;
    if (this.#state !== "opening") this.#awaitPong();
    this.#write("ping");
  }

  #awaitPong(): void {
    clearTimeout(this.#silence);
    const { pingTimeoutMs } = this.#options;
    this.#silence = setTimeout(() => this.#end((key) => noResponse(pingTimeoutMs, key)), pingTimeoutMs);
    unref(this.#silence);
  }

  #hear(data: unknown): void {
    if (this.#state === "ended") return;
    this.#heard++;
    if (data === "pong") this.#hearPong();
    else if (this.#state === "opening" || typeof data !== "string") this.#fail(STRANGE);
    else this.#hearFrame(data);
    // Any frame is a sign of life: the pong may be behind megabytes of answers.
    if (this.#pinged && (this.#state as string) !== "ended") this.#awaitPong();
  }

  #hearPong(): void {
    this.#pinged = false;
    clearTimeout(this.#silence);
    if (this.#state !== "opening") return;
    this.#state = "ready";
    this.#opened.resolve();
    this.#handlers.onRoom();
    this.#idleIfDone();
  }

  #hearFrame(frame: string): void {
    this.#unconfirmed += frame.length;
    if (this.#unconfirmed >= PING_AFTER_CHARS) this.#ping();
    for (const text of splitFrame(frame)) {
      const answer = readAnswer(text);
      const place = answer && this.#places.get(answer.id);
      if (answer && place) {
        this.#answered = true;
        this.#sizes.note(place.message.name, text.length);
        this.#free(answer.id, place);
        place.caller?.resolve(answer.reply);
      } else if (text === RENEW) this.retire(true);
      else if (!text.startsWith('{"event":')) this.#fail(STRANGE);
    }
    this.#endIfDone();
  }

  #hearClose(code: number, reason: string): void {
    const isRefusal = code !== CLOSE_CODES.invalid_request;
    const text = `The WebSocket was closed with code ${code}${reason ? `: ${reason}` : "."}`;
    this.#end(
      (key) =>
        // A call that was refused with its socket has the status that HTTP has.
        (isRefusal ? readRefusal(code, reason, { key, status: code - 4_000 }) : undefined) ?? this.#broken(text, key),
    );
  }

  #fail(message: string): void {
    this.#end((key) => this.#broken(message, key));
  }

  #broken(message: string, key: string | undefined): NetworkError {
    if (this.#state !== "opening") return new NetworkError("network", message, { key });
    return unreachable(this.#options.baseUrl, { key, cause: { message } });
  }

  #free(id: number, { message, answerChars }: Place): void {
    if (!this.#places.delete(id)) return;
    this.#chars -= message.rest.length;
    this.#answerChars -= answerChars;
    if (this.#state === "ready") this.#handlers.onRoom();
    this.#idleIfDone();
  }

  #idleIfDone(): void {
    if (this.#places.size > 0 || this.#state !== "ready") return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.retire(), IDLE_MS);
    unref(this.#idle);
  }

  #endIfDone(): void {
    const isDone = this.#state === "retired" && [...this.#places.values()].every(({ isAbandoned }) => isAbandoned);
    if (isDone) this.#end(undefined);
  }

  #end(makeError: ((key?: string) => MemxError) | undefined): void {
    if (this.#state === "ended") return;
    const error = makeError?.();
    const errors = [...this.#places.values()].map(
      ({ caller }) =>
        () =>
          caller?.reject(makeError?.(caller.key)),
    );
    if (error) this.#opened.reject(error);
    for (const reject of errors) reject();
    this.#state = "ended";
    this.#places.clear();
    this.#outgoing = [];
    clearInterval(this.#pings);
    clearTimeout(this.#silence);
    clearTimeout(this.#idle);
    this.#handlers.onEnd(error, this.#answered);
    try {
      // The close event of a dead socket may take minutes, so the SDK does not wait for it.
      this.#socket.close(1000);
    } catch {
      // The socket never opened, or is already closed.
    }
  }
}
