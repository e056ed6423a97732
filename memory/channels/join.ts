// How a subscriber joins a channel: carries what it asks for from the Worker to the Durable Object.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import { relaySettings } from "../../config/relay-settings.ts";
import type { EventFilter } from "../../sdk/protocol.ts";
import { withDeadline } from "../deadline.ts";
import { ApiError, storeUnavailable } from "../errors.ts";
import { openStore } from "../store/open-store.ts";
import { beginWork } from "../work-share.ts";
import { regionOf } from "./region.ts";
import { channelName, nodeName, type Place, type Topic } from "./topic.ts";

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
  /** Where the subscriber is, if it may join a relay. */
  readonly region?: string;
  /** The relay that it joins, and whether that may send it on. */
  readonly place?: Place;
  readonly isLastTry?: boolean;
};

const HEADER = "memx-join";

/** How many leaves a region has, of a node that sends a subscriber on. */
export const LEAVES_HEADER = "memx-leaves";

/** Nodes that a subscriber tries. The last one takes it. */
const TRIES = 4;

/** How many leaves a topic has in a region, for as long as most of its subscribers go there. */
const routes = new LRUCache<string, number>({ max: 10_000, ttl: 60_000 });

/** Steps of a join, besides the text of what it gets, and of each of its patterns. */
const JOIN_STEPS = 2_000;
const PATTERN_STEPS = 80;

/** Steps of a join that makes the channel, with a database of its own, where the objects run on the thread of the Worker. */
const NEW_CHANNEL_STEPS = 15_000;

/** The channels that this isolate has lately joined subscribers to. A channel without subscribers is gone by then. */
const joined = new LRUCache<string, true>({ max: 10_000, ttl: LIMITS.repairIntervalMs });

/**
 * Returns the channel's response, with its socket.
 * @param cf what Cloudflare says of the request
 * @throws {ApiError} `rate_limited`, `store_unavailable`
 */
export async function joinChannel(env: Env, join: Join, cf?: unknown): Promise<Response> {
  const { timeouts } = openStore(env);
  const name = channelName(join);
  // Cloudflare, which has a limiter, runs objects elsewhere.
  const isNew = env.RATE_LIMITER === undefined && !joined.has(name);
  beginWork(JOIN_STEPS + join.patterns.length * PATTERN_STEPS + (isNew ? NEW_CHANNEL_STEPS : 0));
  joined.set(name, true);
  const region = regionOf(relaySettings(env).region, cf);
  const joining = region === undefined ? joinNode(env, join) : joinNearest(env, join, region);
  const response = await withDeadline(joining, timeouts.responseMs);
  if (response.webSocket) return response;
  throw new ApiError("rate_limited", await response.text(), { retryAfterSeconds: 30 });
}

/** Asks the channel first, unless it has lately sent others of this region to relays. */
async function joinNearest(env: Env, join: Join, region: string): Promise<Response> {
  const route = JSON.stringify([channelName(join), region]);
  const known = routes.get(route);
  let place: Place | undefined = known === undefined ? undefined : { region, index: anyLeaf(known) };
  for (let attempt = 1; ; attempt++) {
    const node = { ...join, region, ...(place && { place }), isLastTry: attempt === TRIES };
    const response = await joinNode(env, node);
    if (response.status !== 307) return response;
    const leaves: number = Math.max(Number(response.headers.get(LEAVES_HEADER)), place?.index ?? 0);
    // From the channel to the head, from the head to any leaf, and from a full leaf to one that is new to this isolate.
    if (place) routes.set(route, leaves);
    const index = place === undefined ? 0 : place.index === 0 && leaves > 0 ? anyLeaf(leaves) : leaves + 1;
    place = { region, index };
  }
}

/** The head has index 0. */
function anyLeaf(leaves: number): number {
  return leaves === 0 ? 0 : 1 + Math.floor(Math.random() * leaves);
}

function joinNode(env: Env, join: Join): Promise<Response> {
  const { place } = join;
  const name = nodeName(join, place);
  const node = env.CHANNEL.getByName(
    name,
    ...(place ? [{ locationHint: place.region as DurableObjectLocationHint }] : []),
  );
  // In a header, because a URL is logged, and names and scopes must not be.
  const text = new TextEncoder().encode(JSON.stringify(join)).toBase64();
  // An error loses its class over RPC. Joining fails only if the channel fails, or the store it calls.
  return node
    .fetch("https://channel/", { headers: { upgrade: "websocket", [HEADER]: text } })
    .catch((cause) => Promise.reject(storeUnavailable(cause)));
}

/**
 * Returns the channel's socket, for a caller that reads it itself.
 * @throws {ApiError} as `joinChannel`
 */
export async function joinSocket(env: Env, join: Join, cf?: unknown): Promise<WebSocket> {
  const { webSocket } = await joinChannel(env, join, cf);
  if (!webSocket) throw new Error("the channel responded without a socket");
  return webSocket;
}

/** The channel's side of `joinChannel`. */
export function readJoin(request: Request): Join {
  return JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(request.headers.get(HEADER) ?? "")));
}
