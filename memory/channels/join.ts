// How a subscriber comes to a channel: what it asks for, on its way from the Worker to the Durable Object.

import type { EventFilter } from "../../sdk/protocol.ts";
import { withDeadline } from "../deadline.ts";
import { ApiError, storeUnavailable } from "../errors.ts";
import { channelName, type Topic } from "./topic.ts";

export type Join = Topic & {
  /** SHA-256 of the API key, by which the channel asks again whether it is good. */
  readonly keyHash: string;
  readonly event: EventFilter;
  /** Which keys, at the channel of a namespace: those that match a pattern and a scope. Elsewhere there are none. */
  readonly patterns: readonly string[];
  readonly scopes: readonly string[];
  /** Send what came after this revision, or with 0 all that is held, before what comes from now on. */
  readonly since?: number;
  /** Characters that may be sent to it and not read. */
  readonly maxUnreadChars: number;
  /** Send `ready` and `reset` as well. */
  readonly control: boolean;
  /** The subprotocol that is answered to the client. */
  readonly subprotocol?: string;
};

const HEADER = "memx-join";

/**
 * The answer of the channel, with its socket.
 * @throws {ApiError} `rate_limited`, `store_unavailable`
 */
export async function joinChannel(env: Env, join: Join): Promise<Response> {
  const channel = env.CHANNEL.getByName(channelName(join));
  // A header, because names and scopes have no place in a URL, which is logged.
  const text = new TextEncoder().encode(JSON.stringify(join)).toBase64();
  const joined = channel.fetch("https://channel/", { headers: { upgrade: "websocket", [HEADER]: text } });
  // What a failure came from has lost its class on the way; joining fails only with the channel or the store it asks.
  const response = await withDeadline(joined.catch((cause) => Promise.reject(storeUnavailable(cause))));
  if (response.webSocket) return response;
  throw new ApiError("rate_limited", await response.text(), { retryAfterSeconds: 30 });
}

/** On the side of the channel. */
export function readJoin(request: Request): Join {
  return JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(request.headers.get(HEADER) ?? "")));
}
