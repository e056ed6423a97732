// From a request to what it asks of which channel: the same for a WebSocket, for server-sent events and for a long poll.

import type { Context } from "hono";
import { LIMITS } from "../../config/limits.ts";
import { authorize, type Caller } from "../../memory/access/principal.ts";
import type { Join } from "../../memory/channels/join.ts";
import { ApiError } from "../../memory/errors.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import type { EventFilter } from "../../sdk/protocol.ts";
import { authenticate } from "../request/authenticate.ts";
import { decodePercent, readQuery } from "../request/read-request.ts";
import { changesQuery, subscribeQuery, watchQuery } from "../request/shapes.ts";
import { chosenSubprotocol } from "../request/subprotocols.ts";

const SUBSCRIBE_PATH = "/subscribe/";

/** For what the Worker itself reads and passes on: it shares its memory with many, and pings as it is read. */
export const STREAM = { maxUnreadChars: LIMITS.maxUnreadStreamChars, control: true } as const;

/**
 * `/subscribe/{key}`, and `/subscribe?key=`, because no URL can carry the keys "." and ".." in its path.
 * @throws {ApiError}
 */
export async function readSubscription(c: Context<{ Bindings: Env }>): Promise<Join> {
  const url = new URL(c.req.url);
  // From the URL itself: Hono has decoded parts of its path already.
  const inPath = url.pathname.startsWith(SUBSCRIBE_PATH)
    ? { key: decodePercent(url.pathname.slice(SUBSCRIBE_PATH.length)) }
    : {};
  const principal = await authenticate(c);
  const { key, event, since } = readQuery(c.req.url, subscribeQuery, inPath);
  authorize(principal, "read", key);
  const { namespace, keyHash } = principal;
  return { namespace, keyHash, key, patterns: [], scopes: [], ...readOptions(c, event, since) };
}

/**
 * `/watch?pattern=`
 * @throws {ApiError}
 */
export async function readWatch(c: Context<{ Bindings: Env }>): Promise<Join> {
  const principal = await authenticate(c);
  const { pattern, event, since } = readQuery(c.req.url, watchQuery);
  return { ...watched(principal, pattern), ...readOptions(c, event, since) };
}

/**
 * `/changes?pattern=`
 * @throws {ApiError}
 */
export async function readPoll(c: Context<{ Bindings: Env }>): Promise<{ join: Join; since: number; waitMs: number }> {
  const principal = await authenticate(c);
  const { pattern, event = "value", since, wait = LIMITS.maxWaitSeconds } = readQuery(c.req.url, changesQuery);
  const join = { ...watched(principal, pattern), event, since: Number(since), ...STREAM };
  return { join, since: join.since, waitMs: Number(wait) * 1000 };
}

function watched({ namespace, keyHash, read }: Caller, patterns: readonly string[]) {
  // A text with one character past Latin-1 is kept with two bytes for each.
  const bytes = [...patterns, ...read].reduce(
    (sum, text) => sum + text.length * (/^[\0-\xff]*$/.test(text) ? 1 : 2) + 8,
    0,
  );
  if (bytes > LIMITS.maxWatchBytes) {
    const detail = `The patterns and the read scopes of the API key take more than ${LIMITS.maxWatchBytes} bytes together.`;
    throw new ApiError("invalid_request", detail);
  }
  return { namespace, keyHash, key: ALL_KEYS, patterns, scopes: read };
}

function readOptions(c: Context, event: EventFilter = "value", inQuery?: string) {
  // What a client of server-sent events saw last, when it comes back to a URL that says where it once began.
  const lastEventId = c.req.header("last-event-id") || undefined;
  if (lastEventId !== undefined && !/^(0|[1-9]\d{0,15})$/.test(lastEventId)) {
    throw new ApiError("invalid_request", "Last-Event-ID has to be a revision.");
  }
  const since = lastEventId ?? inQuery;
  const subprotocol = chosenSubprotocol(c.req.raw.headers);
  return {
    event,
    maxUnreadChars: LIMITS.maxUnreadChars,
    control: subprotocol !== undefined || since !== undefined,
    ...(since !== undefined && { since: Number(since) }),
    ...(subprotocol && { subprotocol }),
  };
}
