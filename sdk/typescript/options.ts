// Where memX is, and how to reach it: the options of the client with their defaults.

import { PING_INTERVAL_SECONDS } from "../protocol.ts";

/** As much of the standard's WebSocket as is used, so that `ws` on Node 20 fits too. */
export type WebSocketLike = {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
};

export type MemXOptions = {
  /** @default the environment's MEMX_API_KEY */
  readonly apiKey?: string | undefined;
  /** @default the environment's MEMX_BASE_URL, or "http://127.0.0.1:8000" */
  readonly baseUrl?: string | undefined;
  /** @default the global one */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** @default the global one. Node 20 has none: pass that of the package `ws`. */
  readonly WebSocket?: new (
    url: string,
    protocols: string[],
  ) => WebSocketLike;
  /** Milliseconds that one attempt of a call may take. @default 10000 */
  readonly timeoutMs?: number;
  /** How often a call is tried again. Safe, because every write carries an `Idempotency-Key`. @default 3 */
  readonly retries?: number;
  /** Milliseconds between two pings of a subscription's socket. @default 25000 */
  readonly pingIntervalMs?: number;
  /** Milliseconds of silence, when an answer is due, after which a socket counts as dead. @default 10000 */
  readonly pingTimeoutMs?: number;
};

export type Options = Required<Omit<MemXOptions, "apiKey">> & { readonly apiKey: string | undefined };

/** @throws TypeError where `baseUrl` is no http(s) URL */
export function readOptions(options: MemXOptions): Options {
  const baseUrl = options.baseUrl ?? readEnvironment("MEMX_BASE_URL") ?? "http://127.0.0.1:8000";
  if (!/^https?:$/.test(new URL(baseUrl).protocol))
    throw new TypeError("baseUrl has to begin with http:// or https://");
  return {
    apiKey: options.apiKey ?? readEnvironment("MEMX_API_KEY"),
    baseUrl: baseUrl.replace(/\/+$/, ""),
    // Looked up with each call, because workerd's has to be called as a property of the global object.
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    WebSocket: options.WebSocket ?? globalWebSocket,
    timeoutMs: options.timeoutMs ?? 10_000,
    retries: options.retries ?? 3,
    pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_SECONDS * 1_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 10_000,
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
    if (!WebSocket) throw new TypeError("There is no WebSocket here: pass one, such as that of the package `ws`.");
    // biome-ignore lint/correctness/noConstructorReturn: it stands for the global one, which may come later.
    return new WebSocket(url, protocols);
  }
} as unknown as Options["WebSocket"];
