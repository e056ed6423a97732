// How one attempt of a call reaches memX, and what comes back. HTTP and the socket of calls are two transports.

import type { Call } from "./calls.ts";

/** A call that is ready to be sent, any number of times. */
export type Request = {
  readonly call: Call;
  readonly url: string;
  /** The JSON text of the body. The same text on every transport, because an `Idempotency-Key` covers it. */
  readonly body: string | undefined;
  readonly idempotencyKey: string | undefined;
};

export type Reply = {
  readonly status: number;
  readonly text: string;
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** The memory has reached this revision. */
  readonly revision?: number | undefined;
};

export type Transport = {
  /**
   * Sends the request once.
   * @throws {MemxError} if no reply came, or the reason of the signal
   */
  send(request: Request, signal: AbortSignal): Promise<Reply>;
};
