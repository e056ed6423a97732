// The options of the client, and their defaults.

import { PING_INTERVAL_SECONDS } from "../protocol.ts";
import { readMs, readRetries } from "./option-numbers.ts";

/** The part of the standard WebSocket that the SDK uses, so that the package `ws` fits too, for Node 20. */
export type WebSocketLike = {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
};

/** Options of the client. */
export type MemXOptions = {
  /** @default the environment variable MEMX_API_KEY */
  readonly apiKey?: string | undefined;
  /** URL of memX. @default the environment variable MEMX_BASE_URL, or "http://127.0.0.1:8000" */
  readonly baseUrl?: string | undefined;
  /** @default the global `fetch` */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Node 20 has no global WebSocket: pass the one of the package `ws`. @default the global `WebSocket` */
  readonly WebSocket?: new (
    url: string,
    protocols: string[],
  ) => WebSocketLike;
  /** Timeout of one attempt of a call, in milliseconds. @default 10000 */
  readonly timeoutMs?: number;
  /** Number of retries of a call. Safe for writes too, which carry an `Idempotency-Key`. @default 3 */
  readonly retries?: number;
  /** Milliseconds between two pings of a subscription's socket. @default 25000 */
  readonly pingIntervalMs?: number;
  /** A socket counts as dead if a response is due and nothing arrives for this many milliseconds. @default 10000 */
  readonly pingTimeoutMs?: number;
};

export type Options = Required<Omit<MemXOptions, "apiKey">> & { readonly apiKey: string | undefined };

/** @throws {TypeError} if `baseUrl` is not an HTTP or HTTPS URL, or a number makes no sense */
export function readOptions(options: MemXOptions): Options {
  const baseUrl = options.baseUrl ?? readEnvironment("MEMX_BASE_URL") ?? "http://127.0.0.1:8000";
  if (!/^https?:\/\//.test(baseUrl) || !URL.canParse(baseUrl)) {
    throw new TypeError(`The base URL must be an HTTP or HTTPS URL: ${baseUrl}`);
  }
  return {
    apiKey: options.apiKey ?? readEnvironment("MEMX_API_KEY"),
    baseUrl: baseUrl.replace(/\/+$/, ""),
    // Called as a property of the global object, because workerd's `fetch` requires it.
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    WebSocket: options.WebSocket ?? globalWebSocket,
    timeoutMs: readMs("timeoutMs", options.timeoutMs ?? 10_000),
    retries: readRetries(options.retries ?? 3),
    pingIntervalMs: readMs("pingIntervalMs", options.pingIntervalMs ?? PING_INTERVAL_SECONDS * 1_000),
    pingTimeoutMs: readMs("pingTimeoutMs", options.pingTimeoutMs ?? 10_000),
  };
}

function readEnvironment(name: string): string | undefined {
  try {
    const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
    return process?.env?.[name] || undefined;
  } catch {
    return undefined; // Deno without --allow-env.
  }
}

const globalWebSocket = class {
  constructor(url: string, protocols: string[]) {
    const { WebSocket } = globalThis as { WebSocket?: Options["WebSocket"] };
    if (!WebSocket)
      throw new TypeError(
        "This runtime has no global WebSocket. Pass one as the option `WebSocket`, such as that of the package `ws`.",
      );
    // biome-ignore lint/correctness/noConstructorReturn: it stands for the global WebSocket, which may be defined later.
    return new WebSocket(url, protocols);
  }
} as unknown as Options["WebSocket"];
