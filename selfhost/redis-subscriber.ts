// The connection on which the bridge listens to Redis channels. node-redis reconnects it and subscribes again.

import { createClient, type RedisClientOptions } from "redis";
import { withinDeadline } from "./redis-connection.ts";

/** Between PINGs. A connection that says nothing for three of them is dead. */
const PING_MS = 5_000;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;
const SUBSCRIBE_MS = 2_000;

export type Listener = {
  readonly hear: (message: string) => void;
  /** The connection was lost, and is there again. */
  readonly missed: () => void;
};

export type Subscriber = {
  /** Connects. */
  start(listener: Listener): Promise<unknown>;
  /** Resolves when Redis has subscribed it, or at once while Redis cannot be reached: then `missed` follows. */
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): void;
  close(): void;
};

/** @param options how to reach the server */
export function openSubscriber({
  socket,
  ...options
}: Pick<RedisClientOptions, "url" | "username" | "password" | "socket">): Subscriber {
  const client = createClient({
    ...options,
    disableOfflineQueue: true,
    pingInterval: PING_MS,
    socket: {
      ...socket,
      socketTimeout: 3 * PING_MS,
      reconnectStrategy: (retries) => Math.min(MIN_RETRY_MS * 2 ** Math.min(retries, 10), MAX_RETRY_MS),
    },
  });
  // The connection of the bridge's commands warns already.
  client.on("error", () => undefined);
  /** The channels to listen to, whether or not Redis is reachable. */
  const channels = new Set<string>();
  let hear: Listener["hear"] = () => undefined;
  /** The same function for every call, because node-redis calls each function once for a message. */
  const onMessage = (message: string) => hear(message);
  const subscribe = async (channel: string) => {
    try {
      await withinDeadline(client.sSubscribe(channel, onMessage), SUBSCRIBE_MS);
    } catch {
      // The connection is lost, or about to be.
    }
  };
  return {
    async start(listener) {
      hear = listener.hear;
      let isFirst = true;
      client.on("ready", async () => {
        await Promise.all(Array.from(channels, subscribe));
        if (!isFirst) listener.missed();
        isFirst = false;
      });
      await client.connect();
    },
    async subscribe(channel) {
      // Also if it is known: then it returns at once, unless the first call is still on its way.
      channels.add(channel);
      if (client.isReady) await subscribe(channel);
    },
    unsubscribe(channel) {
      channels.delete(channel);
      if (client.isReady) void client.sUnsubscribe(channel).catch(() => undefined);
    },
    close() {
      client.destroy();
    },
  };
}
