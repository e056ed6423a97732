// Calls with retries. Retries are safe for reads, and for writes because each carries an `Idempotency-Key`.

import { backoffMs, pause } from "./backoff.ts";
import { checkJson } from "./check-json.ts";
import { checkKey, checkText } from "./check-text.ts";
import { ChooseTransport } from "./choose-transport.ts";
import { InvalidRequestError, MemxError, NetworkError, TimeoutError } from "./errors.ts";
import type { Options } from "./options.ts";
import { isFinal, readError } from "./read-error.ts";
import { Reads } from "./reads.ts";
import { followSignal } from "./signals.ts";
import type { Reply, Request, Transport } from "./transport.ts";

/** memX remembers an `Idempotency-Key` for 5 minutes. A retry after that would write again. */
const MAX_RETRY_MS = 240_000;

export type Call = {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Sent as JSON, without the members that are `undefined`. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** A member that every response of memX to this call has. @default memX may respond with any JSON */
  readonly has?: string;
  readonly mayBeNull?: boolean;
  /** The key that the call is about, for its error. */
  readonly key?: string;
  /** A `POST` that changes nothing. */
  readonly isRead?: boolean;
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** @default that of the client */
  readonly retries?: number;
  /** @default that of the client */
  readonly timeoutMs?: number;
};

export class Calls {
  readonly #options: Options;
  readonly #transports: ChooseTransport;
  readonly reads: Reads;

  constructor(options: Options) {
    this.#options = options;
    this.#transports = new ChooseTransport(options);
    this.reads = new Reads(options.reads);
  }

  get retries(): number {
    return this.#options.retries;
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /**
   * Returns the JSON of the response.
   * @throws {MemxError} or the reason of an aborted signal
   */
  async send<T>(asked: Call): Promise<T> {
    const call = this.reads.freshen(asked);
    const { method, body, key, isRead = method === "GET", retries = this.#options.retries } = call;
    if ("key" in call) checkKey(key);
    const request: Request = {
      call,
      url: this.url(call.path, call.query),
      body: body && this.#encode(body, key),
      idempotencyKey: isRead ? undefined : readIdempotencyKey(call),
    };
    const signal = call.signal && followSignal(call.signal);
    const elapsedMs = startClock();
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      try {
        return await this.#transports.use(request, signal, (transport) => this.#attempt<T>(transport, request, signal));
      } catch (error) {
        if (!(error instanceof MemxError) || isFinal(error) || attempt >= retries) throw error;
        const waitMs = (error.retryAfterMs ?? 0) + backoffMs(attempt);
        if (elapsedMs() + waitMs > MAX_RETRY_MS) throw error;
        await pause(waitMs, signal);
        // The machine may have slept.
        if (elapsedMs() > MAX_RETRY_MS) throw error;
      }
    }
  }

  url(path: string, query: Call["query"] = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue;
      for (const each of Array.isArray(value) ? value : [value]) {
        const text = String(each);
        checkText(text, `\`${name}\``);
        parameters.append(name, text);
      }
    }
    return `${this.#options.baseUrl}${path}${parameters.size > 0 ? `?${parameters}` : ""}`;
  }

  /** Closes the socket of calls, if there is one, once it has answered everything. Later calls still work. */
  close(): void {
    this.#transports.close();
  }

  #encode(body: Readonly<Record<string, unknown>>, key: string | undefined): string {
    checkJson(body, key);
    return this.#options.json.stringify(body);
  }

  async #attempt<T>(transport: Transport, request: Request, signal: AbortSignal | undefined): Promise<T> {
    const { baseUrl, json } = this.#options;
    const { key, timeoutMs = this.#options.timeoutMs } = request.call;
    const abort = new AbortController();
    const cancel = () => abort.abort(signal?.reason);
    const timer = setTimeout(() => abort.abort(noResponse(timeoutMs, key)), timeoutMs);
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel);
    let reply: Reply;
    try {
      reply = await transport.send(request, abort.signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    }
    this.reads.note(reply);
    const { status, text } = reply;
    if (status < 200 || status > 299) throw readError(reply, { key, baseUrl, parse: json.parse });
    const result = parse(text, json.parse);
    if (isExpected(result, request.call)) return result as T;
    const message = `The response of ${baseUrl} is incomplete or does not come from memX.`;
    throw new NetworkError("network", message, { key });
  }
}

export function noResponse(timeoutMs: number, key?: string): TimeoutError {
  return new TimeoutError("timeout", `memX did not respond within ${timeoutMs} ms.`, { key });
}

/** Unlike `crypto.randomUUID`, also works in pages without HTTPS. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readIdempotencyKey({ idempotencyKey, key }: Call): string {
  if (idempotencyKey === undefined) return randomId();
  if (typeof idempotencyKey === "string" && /^[!-~]{1,255}$/.test(idempotencyKey)) return idempotencyKey;
  const message = "An Idempotency-Key must have 1 to 255 visible ASCII characters without spaces.";
  throw new InvalidRequestError("invalid_request", message, { key });
}

/**
 * Returns a function that returns the milliseconds since now, or more. The monotonic clock stands still while the machine
 * sleeps, and the other clock may be set back, but not both at once.
 */
function startClock(): () => number {
  const [ticks, time] = [performance.now(), Date.now()];
  return () => Math.max(performance.now() - ticks, Date.now() - time);
}

/** Whether memX may have responded with this to the call. Another service, or a page for logging in, responds otherwise. */
function isExpected(result: unknown, { has, mayBeNull = false }: Call): boolean {
  if (has === undefined) return result !== undefined;
  if (result === null) return mayBeNull;
  return typeof result === "object" && has in result;
}

function parse(text: string, parseJson: (text: string) => unknown): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined; // Every complete response of memX is JSON.
  }
}
