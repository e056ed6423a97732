// HTTP calls with retries. Retries are safe for reads, and for writes because each carries an `Idempotency-Key`.

import { backoffMs, pause } from "./backoff.ts";
import { MemxError, NetworkError, TimeoutError } from "./errors.ts";
import type { Options } from "./options.ts";
import { isFinal, readErrorResponse } from "./read-error.ts";

/** memX remembers an `Idempotency-Key` for 5 minutes. A retry after that would write again. */
const MAX_RETRY_MS = 240_000;

export type Call = {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Sent as JSON, without the members that are `undefined`. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** The key that the call is about, for its error. */
  readonly key?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** @default that of the client */
  readonly retries?: number;
};

export class Http {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  get retries(): number {
    return this.#options.retries;
  }

  /**
   * Returns the JSON of the response.
   * @throws {MemxError} or the reason of an aborted signal
   */
  async send<T>(call: Call): Promise<T> {
    const { method, body, key, signal, retries = this.#options.retries } = call;
    const { apiKey } = this.#options;
    const headers = new Headers({
      ...(apiKey !== undefined && { "x-api-key": apiKey }),
      ...(body && { "content-type": "application/json" }),
      ...(method !== "GET" && { "idempotency-key": call.idempotencyKey ?? randomId() }),
    });
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    const url = this.url(call.path, call.query);
    const began = Date.now();
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      try {
        return await this.#attempt<T>(url, init, key, signal);
      } catch (error) {
        if (!(error instanceof MemxError) || isFinal(error) || attempt >= retries) throw error;
        const waitMs = (error.retryAfterMs ?? 0) + backoffMs(attempt);
        if (Date.now() + waitMs - began > MAX_RETRY_MS) throw error;
        await pause(waitMs, signal);
      }
    }
  }

  url(path: string, query: Call["query"] = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue;
      for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
    }
    return `${this.#options.baseUrl}${path}${parameters.size > 0 ? `?${parameters}` : ""}`;
  }

  async #attempt<T>(url: string, init: RequestInit, key: string | undefined, signal?: AbortSignal): Promise<T> {
    const { fetch, timeoutMs } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, { ...init, signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
      text = await response.text();
    } catch (cause) {
      signal?.throwIfAborted();
      if (timeout.aborted) throw new TimeoutError("timeout", `memX did not respond within ${timeoutMs} ms.`, { key });
      throw new NetworkError("network", "memX cannot be reached.", { key, cause });
    }
    if (!response.ok) throw readErrorResponse(response, text, key);
    try {
      return JSON.parse(text) as T;
    } catch {
      // Every complete response of memX is JSON.
      throw new NetworkError("network", "The response is incomplete or does not come from memX.", {
        key,
        status: undefined,
      });
    }
  }
}

/** Unlike `crypto.randomUUID`, also works in pages without HTTPS. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
