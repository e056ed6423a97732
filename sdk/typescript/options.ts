// The options of the client, and their defaults.

import { PING_INTERVAL_SECONDS } from "../protocol.ts";
import { readBaseUrl } from "./base-url.ts";
import { readCalls } from "./calls-option.ts";
import { readAgent, readMs, readRetries, requireFunction } from "./option-checks.ts";
import { readEnvironment } from "./read-environment.ts";
import { type ReadsOption, readReads } from "./reads.ts";
import { refuseUnknown } from "./refuse-unknown.ts";

/** The part of the standard WebSocket that the SDK uses, so that the one of the package `ws` fits too. */
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
  /** The name that memX keeps with what this client writes: 1 to 64 visible ASCII characters. @default none */
  readonly agent?: string | undefined;
  /** @default the global `fetch` */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /**
   * The class of the sockets. With `null`, subscriptions read server-sent events, for networks that pass no WebSocket.
   *
   * @default the global `WebSocket`, or `null` where there is none, as in Node 20
   */
  readonly WebSocket?: WebSocketClass | null;
  /**
   * How calls reach memX. With `auto`, by HTTP, and over a WebSocket while several are in flight together; always by HTTP where
   * sockets do not pass, on Cloudflare Workers, and with a `fetch` of your own without a `WebSocket` of your own.
   *
   * @default "auto"
   */
  readonly calls?: "auto" | "socket" | "http";
  /**
   * Which state `get`, `getMany` and `keys` may read. `strong`: the newest. `session`: one that has all that this client has
   * written, read, and received, and what it was told with `seen`. `{ maxAge: 2 }`: one that is up to 2 seconds old. memX may
   * always read a newer one.
   *
   * @default "strong"
   */
  readonly reads?: ReadsOption;
  /** Timeout of one attempt of a call, in milliseconds. @default 10000 */
  readonly timeoutMs?: number;
  /** Number of retries of a call. Safe for writes too, which carry an `Idempotency-Key`. @default 3 */
  readonly retries?: number;
  /** Milliseconds between two pings of a subscription's socket. @default 25000 */
  readonly pingIntervalMs?: number;
  /** A socket counts as dead if a response is due and nothing arrives for this many milliseconds. @default 10000 */
  readonly pingTimeoutMs?: number;
};

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** How the client reads and writes JSON. */
export type JsonCodec = {
  readonly parse: (text: string) => unknown;
  readonly stringify: (value: unknown) => string;
};

/** Names an option that is not public: the command line passes values on as their text. */
export const JSON_CODEC = Symbol("json");

export type Options = Required<Omit<MemXOptions, "apiKey" | "baseUrl" | "agent" | "WebSocket">> & {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly agent: string | undefined;
  readonly WebSocket: WebSocketClass | null | undefined;
  readonly json: JsonCodec;
};

/**
 * @throws {TypeError} if an option cannot work
 * @throws {InvalidRequestError} if there is no such option
 */
export function readOptions(all: MemXOptions & { readonly [JSON_CODEC]?: JsonCodec }): Options {
  const { apiKey, baseUrl, agent, fetch, WebSocket, calls, reads, timeoutMs, retries, ...others } = all;
  const { pingIntervalMs, pingTimeoutMs, [JSON_CODEC]: json = JSON, ...unknown } = others;
  refuseUnknown(unknown);
  return {
    apiKey: readApiKey(apiKey ?? readEnvironment("MEMX_API_KEY")),
    baseUrl: readBaseUrl(String(baseUrl ?? readEnvironment("MEMX_BASE_URL") ?? "http://127.0.0.1:8000")),
    agent: readAgent(agent),
    // Called as a property of the global object, because workerd's `fetch` requires it.
    fetch: requireFunction("fetch", fetch) ?? ((url, init) => globalThis.fetch(url, init)),
    WebSocket: WebSocket && requireFunction("WebSocket", WebSocket),
    calls: readCalls(all),
    reads: readReads(reads),
    timeoutMs: readMs("timeoutMs", timeoutMs ?? 10_000),
    retries: readRetries(retries ?? 3),
    pingIntervalMs: readMs("pingIntervalMs", pingIntervalMs ?? PING_INTERVAL_SECONDS * 1_000),
    pingTimeoutMs: readMs("pingTimeoutMs", pingTimeoutMs ?? 10_000),
    json,
  };
}

/** The class for a new socket. The global one may be defined later than the client. */
export function findWebSocket({ WebSocket }: Pick<Options, "WebSocket">): WebSocketClass | null | undefined {
  return WebSocket === undefined ? (globalThis as { WebSocket?: WebSocketClass }).WebSocket : WebSocket;
}

/** memX refuses other API keys, because headers carry nothing else unchanged. An empty one counts as none. */
function readApiKey(apiKey: string | undefined): string | undefined {
  if (apiKey === undefined || (typeof apiKey === "string" && /^[!-~]*$/.test(apiKey))) return apiKey;
  const isPadded = typeof apiKey === "string" && apiKey.trim() !== apiKey;
  throw new TypeError(
    `The API key must consist of visible ASCII characters${isPadded ? ", without white space such as the line break of a file" : ""}.`,
  );
}
