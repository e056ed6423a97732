// Turns a request into what it asks of which channel: the same for a WebSocket, for server-sent events and for a long poll.

import { LIMITS } from "../../config/limits.ts";
import { canOverlap } from "../../memory/access/glob-overlap.ts";
import { authorize, type Caller } from "../../memory/access/principal.ts";
import type { Join } from "../../memory/channels/join.ts";
import { ApiError } from "../../memory/errors.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import type { EventFilter } from "../../sdk/protocol.ts";
import type { AppContext } from "../app-env.ts";
import { OPERATIONS } from "../request/operations.ts";
import { decodePercent, readQuery } from "../request/read-request.ts";
import { chosenSubprotocol } from "../request/subprotocols.ts";

const SUBSCRIBE_PATH = "/subscribe/";

/** For a socket that the Worker itself reads and forwards: it shares its memory with many, and pings as it reads. */
export const STREAM = { maxUnreadChars: LIMITS.maxUnreadStreamChars, control: true } as const;

/**
 * `/subscribe/{key}`, and `/subscribe?key=`, because no URL can carry the keys "." and ".." in its path.
 * @throws {ApiError} `invalid_request`, `forbidden`
 */
export function readSubscription(c: AppContext): Join {
  const url = new URL(c.req.url);
  // From the URL itself: Hono has already decoded parts of its path.
  const inPath = url.pathname.startsWith(SUBSCRIBE_PATH)
    ? { key: decodePercent(url.pathname.slice(SUBSCRIBE_PATH.length)) }
    : {};
  const { caller } = c.var;
  const { key, event, since } = readQuery(c.req.url, OPERATIONS.subscribe.request, inPath);
  authorize(caller, "read", key);
  const { namespace, keyHash } = caller;
  return { namespace, keyHash, key, patterns: [], scopes: [], ...readOptions(c, event, since) };
}

/**
 * `/watch?pattern=`
 * @throws {ApiError} `invalid_request`, `forbidden`
 */
export function readWatch(c: AppContext): Join {
  const { pattern, event, since } = readQuery(c.req.url, OPERATIONS.watch.request);
  return { ...watchTopic(c.var.caller, pattern), ...readOptions(c, event, since) };
}

/**
 * `/changes?pattern=`
 * @throws {ApiError} `invalid_request`, `forbidden`
 */
export function readPoll(c: AppContext): { join: Join; waitMs: number } {
  const {
    pattern,
    event = "value",
    since,
    wait = LIMITS.maxWaitSeconds,
  } = readQuery(c.req.url, OPERATIONS.changes.request);
  const from = since === undefined ? {} : { since: Number(since) };
  return { join: { ...watchTopic(c.var.caller, pattern), event, ...from, ...STREAM }, waitMs: Number(wait) * 1000 };
}

/** @throws {ApiError} `invalid_request` */
export function watchTopic({ namespace, keyHash, read }: Caller, patterns: readonly string[]) {
  // The platform stores a text with any character past Latin-1 as two bytes per character.
  const bytes = [...patterns, ...read].reduce(
    (sum, text) => sum + text.length * (/^[\0-\xff]*$/.test(text) ? 1 : 2) + 8,
    0,
  );
  if (bytes > LIMITS.maxWatchBytes) {
    const detail = `The patterns and the read scopes of the API key exceed ${LIMITS.maxWatchBytes} bytes together.`;
    throw new ApiError("invalid_request", detail);
  }
  if (!canOverlap(namespace, patterns, read)) {
    throw new ApiError("forbidden", "This API key is not allowed to read any key that matches a pattern.");
  }
  return { namespace, keyHash, key: ALL_KEYS, patterns, scopes: read };
}

function readOptions(c: AppContext, event: EventFilter = "value", inQuery?: string) {
  // What a server-sent events client saw last. It reconnects to the URL it first used, so this overrides the URL's `since`.
  const lastEventId = c.req.header("last-event-id") || undefined;
  if (lastEventId !== undefined && !/^(0|[1-9]\d{0,15})$/.test(lastEventId)) {
    throw new ApiError("invalid_request", "Last-Event-ID must be a revision.");
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
