// Calls over HTTP.

import { NetworkError } from "./errors.ts";
import type { Options } from "./options.ts";
import { readReply } from "./read-error.ts";
import type { Reply, Request, Transport } from "./transport.ts";

export class Http implements Transport {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  async send({ call, url, body, idempotencyKey }: Request, signal: AbortSignal): Promise<Reply> {
    const { fetch, baseUrl } = this.#options;
    const headers = headersOf(this.#options);
    if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
    if (body !== undefined) headers.set("content-type", "application/json");
    const init = { method: call.method, headers, ...(body !== undefined && { body }), signal };
    try {
      const response = await fetch(url, init);
      return readReply(response, await response.text());
    } catch (cause) {
      signal.throwIfAborted();
      throw unreachable(baseUrl, { key: call.key, cause });
    }
  }
}

/** The headers of every request. */
export function headersOf({ apiKey, agent }: Options): Headers {
  return new Headers({
    ...(apiKey && { "x-api-key": apiKey }),
    ...(agent !== undefined && { "x-memx-agent": agent }),
  });
}

/** The error of a request without a response. The runtimes tell the reason in the cause of their error, or nowhere. */
export function unreachable(
  baseUrl: string,
  { key, cause }: { key?: string | undefined; cause: unknown },
): NetworkError {
  const { message = "", cause: inner } = Object(cause) as {
    message?: string;
    cause?: { message?: string; code?: string };
  };
  const reason = inner?.message || inner?.code || message || "no response";
  return new NetworkError("network", `memX cannot be reached at ${baseUrl}: ${reason}`, { key, cause });
}
