// The Redis behind the bridge, a server or a cluster.

import { RedisCluster } from "./redis-cluster.ts";
import { RedisConnection } from "./redis-connection.ts";
import type { Subscriber } from "./redis-subscriber.ts";

/** Where the bridge sends commands: a server or a cluster. */
export type RedisLink = {
  /**
   * Returns Redis's replies, including its errors, in the order of the commands.
   * @param options.asBuffers Returns texts as buffers, with every byte as in Redis.
   * @throws {RedisUnavailable}
   */
  send(commands: readonly string[][], options?: { readonly asBuffers?: boolean }): Promise<unknown[]>;
  /** Sends a transaction. A cluster has none. */
  readonly transacts: boolean;
  /** Opens what hears the messages of other processes. */
  openSubscriber(): Subscriber;
  close(): void;
};

/**
 * @param url an address, or several of one cluster, separated by commas
 * @throws {Error} with one sentence for the operator, without passwords, if there is no usable Redis
 */
export async function openRedis(url: string, timeoutMs: number): Promise<RedisLink> {
  const urls = url.split(",").map((part) => part.trim());
  if (urls.length > 1) return RedisCluster.open(urls, timeoutMs);
  const server = await RedisConnection.open(url, timeoutMs);
  if (!server.isCluster) return server;
  server.close();
  return RedisCluster.open(urls, timeoutMs);
}
