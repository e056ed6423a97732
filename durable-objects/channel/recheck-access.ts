// Asks again whether the API keys of a channel's sockets are good, and for what. It runs beside delivery, which never waits
// for it.

import { LIMITS } from "../../config/limits.ts";
import type { Principals } from "../../memory/access/access.ts";
import { openAccess } from "../../memory/access/open-access.ts";
import type { Topic } from "../../memory/channels/topic.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import { CLOSE_CODES, TRY_AGAIN_LATER } from "../../sdk/protocol.ts";
import { closeSocket } from "./subscriber.ts";

/** Since when nobody could be asked; kept in storage, because a channel sleeps between its alarms. */
const OUTAGE_SINCE = "outage";

/**
 * Each key is asked for once, however many sockets it has. `limitTo` tells a watcher what it may read now.
 */
export async function recheckAccess(
  ctx: DurableObjectState,
  env: Env,
  { namespace, key }: Topic,
  limitTo: (socket: WebSocket, scopes: readonly string[]) => void,
): Promise<void> {
  const keyHashOf = (socket: WebSocket) => ctx.getTags(socket)[0] ?? "";
  const keyHashes = new Set(ctx.getWebSockets().map(keyHashOf));
  const principals = await find(ctx, env, [...keyHashes]);
  for (const socket of ctx.getWebSockets()) {
    const keyHash = keyHashOf(socket);
    // It came while the others were asked for, and was just let in.
    if (socket.readyState !== WebSocket.OPEN || !keyHashes.has(keyHash)) continue;
    if (principals === "outage") {
      closeSocket(socket, TRY_AGAIN_LATER, "API keys can not be checked. Connect again.");
      continue;
    }
    const principal = principals.get(keyHash);
    if (!principal || principal.namespace !== namespace) {
      closeSocket(socket, CLOSE_CODES.invalid_api_key, "The API key was revoked.");
    } else if (key === ALL_KEYS) {
      limitTo(socket, principal.read);
    } else if (!principal.allows("read", key)) {
      closeSocket(socket, CLOSE_CODES.forbidden, "The API key may not read this key any more.");
    }
  }
}

/** In an outage everybody stays, for as long as calls by known keys are answered too. */
async function find(
  { storage }: DurableObjectState,
  env: Env,
  keyHashes: readonly string[],
): Promise<Principals | "outage"> {
  const since = storage.kv.get<number>(OUTAGE_SINCE);
  try {
    const principals = await openAccess(env).find(keyHashes, { evenInOutage: false });
    if (since !== undefined) storage.kv.delete(OUTAGE_SINCE);
    return principals;
  } catch (cause) {
    if (since !== undefined && Date.now() - since >= LIMITS.accessOutageMs) return "outage";
    if (since === undefined) storage.kv.put(OUTAGE_SINCE, Date.now());
    throw cause;
  }
}
