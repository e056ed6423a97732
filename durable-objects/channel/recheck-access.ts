// Checks again whether the API keys of a channel's sockets are valid, and what they may read. Delivery does not wait.

import { LIMITS } from "../../config/limits.ts";
import type { Principals } from "../../memory/access/access.ts";
import { openAccess } from "../../memory/access/open-access.ts";
import type { Topic } from "../../memory/channels/topic.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import { CLOSE_CODES, TRY_AGAIN_LATER } from "../../sdk/protocol.ts";
import { TURN_WORK, Turn } from "../turn.ts";
import { closeSocket } from "./subscriber.ts";

/** Storage key of the time since which API keys cannot be checked. A channel sleeps between alarms and loses memory. */
const OUTAGE_SINCE = "outage";

/**
 * Looks up each API key once, however many sockets it has.
 * @param limitTo sets what a watcher may read from now on, and returns whether that is something else than before
 */
export async function recheckAccess(
  ctx: DurableObjectState,
  env: Env,
  { namespace, key }: Topic,
  limitTo: (socket: WebSocket, scopes: readonly string[]) => boolean,
): Promise<void> {
  const keyHashOf = (socket: WebSocket) => ctx.getTags(socket)[0] ?? "";
  const keyHashes = new Set(ctx.getWebSockets().map(keyHashOf));
  const principals = await find(ctx, env, [...keyHashes]);
  const turn = new Turn();
  /** Whether an API key may read the key of the channel. */
  const mayRead = new Map<string, boolean>();
  for (const socket of ctx.getWebSockets()) {
    const keyHash = keyHashOf(socket);
    // A socket that came during the lookup was authenticated just now.
    if (socket.readyState !== WebSocket.OPEN || !keyHashes.has(keyHash)) continue;
    if (principals === "outage") {
      closeSocket(socket, TRY_AGAIN_LATER, "API keys cannot be checked. Connect again.");
      continue;
    }
    const principal = principals.get(keyHash);
    if (!principal || principal.namespace !== namespace) {
      closeSocket(socket, CLOSE_CODES.invalid_api_key, "The API key was revoked.");
      continue;
    }
    if (key === ALL_KEYS) {
      // To compare new scopes with the patterns can take as long as several turns.
      if (limitTo(socket, principal.read) && turn.isOver(TURN_WORK / 4)) await turn.end();
      continue;
    }
    const allowed = mayRead.get(keyHash) ?? principal.allows("read", key);
    mayRead.set(keyHash, allowed);
    if (!allowed) {
      closeSocket(socket, CLOSE_CODES.forbidden, "The API key may no longer read this key.");
    }
  }
}

/** In an outage all sockets stay open, for as long as calls with known API keys work too. */
async function find(
  { storage }: DurableObjectState,
  env: Env,
  keyHashes: readonly string[],
): Promise<Principals | "outage"> {
  const stored = storage.kv.get<number>(OUTAGE_SINCE);
  // A clock that was ahead has stored a time that is yet to come. The outage counts from now on.
  const since = stored !== undefined && stored <= Date.now() ? stored : undefined;
  try {
    const principals = await openAccess(env).find(keyHashes, { evenInOutage: false });
    if (stored !== undefined) storage.kv.delete(OUTAGE_SINCE);
    return principals;
  } catch (cause) {
    if (since !== undefined && Date.now() - since >= LIMITS.accessOutageMs) return "outage";
    if (since === undefined) storage.kv.put(OUTAGE_SINCE, Date.now());
    throw cause;
  }
}
