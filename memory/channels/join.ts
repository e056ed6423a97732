// How a subscriber joins a channel: carries what it asks for from the Worker to the Durable Object.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import type { EventFilter } from "../../sdk/protocol.ts";
import { withDeadline } from "../deadline.ts";
import { ApiError, storeUnavailable } from "../errors.ts";
import { openStore } from "../store/open-store.ts";
import { beginWork } from "../work-share.ts";
import { channelName, type Topic } from "./topic.ts";

export type Join = Topic & {
  /** SHA-256 of the API key. The channel rechecks the key by this hash. */
  readonly keyHash: string;
  readonly event: EventFilter;
  /** At the channel of a namespace, only keys that match a pattern and a scope. Empty at the channel of a key. */
  readonly patterns: readonly string[];
  readonly scopes: readonly string[];
  /** First send what came after this revision (0: a snapshot of everything), then what comes from now on. */
  readonly since?: number;
  /** The most characters that the channel sends ahead of what the subscriber has read. */
  readonly maxUnreadChars: number;
  /** Also send `ready` and `reset`. */
  readonly control: boolean;
  /** The subprotocol to respond with. */
  readonly subprotocol?: string;
};

const HEADER = "memx-join";

/** Steps of a join, besides the text of what it gets, and of each of its patterns. */
const JOIN_STEPS = 2_000;
const PATTERN_STEPS = 80;

/** Steps of a join that makes the channel, with a database of its own, where the objects run on the thread of the Worker. */
const NEW_CHANNEL_STEPS = 15_000;

/** The channels that this isolate has lately joined subscribers to. A channel without subscribers is gone by then. */
const joined = new LRUCache<string, true>({ max: 10_000, ttl: LIMITS.repairIntervalMs });

/**
 * Returns the channel's response, with its socket.
 * @throws {ApiError} `rate_limited`, `store_unavailable`
 */
export async function joinChannel(env: Env, join: Join): Promise<Response> {
  const { timeouts } = openStore(env);
  const name = channelName(join);
  // Cloudflare, which has a limiter, runs objects elsewhere.
  const isNew = env.RATE_LIMITER === undefined && !joined.has(name);
  beginWork(JOIN_STEPS + join.patterns.length * PATTERN_STEPS + (isNew ? NEW_CHANNEL_STEPS : 0));
  joined.set(name, true);
  const channel = env.CHANNEL.getByName(name);
  // In a header, because a URL is logged, and names and scopes must not be.
  const text = new TextEncoder().encode(JSON.stringify(join)).toBase64();
  // An error loses its class over RPC. Joining fails only if the channel fails, or the store it calls.
  const joining = channel
    .fetch("https://channel/", { headers: { upgrade: "websocket", [HEADER]: text } })
    .catch((cause) => Promise.reject(storeUnavailable(cause)));
  const response = await withDeadline(joining, timeouts.responseMs);
  if (response.webSocket) return response;
  throw new ApiError("rate_limited", await response.text(), { retryAfterSeconds: 30 });
}

/**
 * Returns the channel's socket, for a caller that reads it itself.
 * @throws {ApiError} as `joinChannel`
 */
export async function joinSocket(env: Env, join: Join): Promise<WebSocket> {
  const { webSocket } = await joinChannel(env, join);
  if (!webSocket) throw new Error("the channel responded without a socket");
  return webSocket;
}

/** The channel's side of `joinChannel`. */
export function readJoin(request: Request): Join {
  return JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(request.headers.get(HEADER) ?? "")));
}
