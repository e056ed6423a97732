// A Redis Cluster that memX can use. node-redis finds the server of a key, and sends a command again only if a server has
// refused it because another one has the key, so never one that may have been executed.

import { createCluster, ErrorReply, RESP_TYPES } from "redis";
import {
  checkSuitable,
  RedisUnavailable,
  UnsuitableRedis,
  withinDeadline,
  withoutPassword,
} from "./redis-connection.ts";
import type { RedisLink } from "./redis-link.ts";
import { type Listener, openSubscriber, type Subscriber } from "./redis-subscriber.ts";

/** Between PINGs. A connection that says nothing for three of them is dead. */
const PING_MS = 5_000;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 500;
/** How long a server may be gone before the others say which one has taken its place, and between questions. */
const REDISCOVER_MS = 200;
const CHECK_MS = 500;

const START_MS = 2_000;

type Client = ReturnType<typeof openCluster>;
type Server = { readonly subscriber: Subscriber; readonly started: Promise<unknown> };

export class RedisCluster implements RedisLink {
  readonly transacts = false;
  readonly #urls: readonly string[];
  readonly #timeoutMs: number;
  readonly #cluster: Client;

  private constructor(urls: readonly string[], timeoutMs: number, cluster: Client) {
    this.#urls = urls;
    this.#timeoutMs = timeoutMs;
    this.#cluster = cluster;
  }

  /** As `openRedis`. */
  static async open(urls: readonly string[], timeoutMs: number): Promise<RedisCluster> {
    const shown = withoutPassword(urls.join(","));
    let cluster: Client;
    try {
      cluster = openCluster(urls);
    } catch {
      throw new Error("REDIS_URL must be addresses of one Redis Cluster, separated by commas.");
    }
    let reason = "";
    cluster.on("error", (error: Error) => {
      if (error instanceof ErrorReply) reason = error.message.replace(/\.$/, "");
    });
    try {
      await withinDeadline(cluster.connect(), timeoutMs);
      for (const master of cluster.masters) {
        await withinDeadline(checkSuitable(await cluster.nodeClient(master), `redis://${master.address}`), timeoutMs);
      }
      return new RedisCluster(urls, timeoutMs, cluster);
    } catch (error) {
      cluster.destroy();
      if (error instanceof UnsuitableRedis) throw error;
      if (reason) {
        throw new Error(
          `Redis at ${shown} refused the connection: ${reason}. Check the user and password in REDIS_URL.`,
        );
      }
      throw new Error(`No Redis Cluster responds at ${shown}.`);
    }
  }

  async send(commands: readonly string[][]): Promise<unknown[]> {
    const replies = commands.map((command) =>
      this.#cluster.sendCommand(keyOf(command), false, command).catch((error: unknown) => {
        if (error instanceof ErrorReply) return error;
        throw error;
      }),
    );
    try {
      return await withinDeadline(Promise.all(replies), this.#timeoutMs);
    } catch {
      throw new RedisUnavailable("The Redis that has the key did not reply. It may have executed the request.");
    }
  }

  openSubscriber(): Subscriber {
    return new ClusterSubscriber(this.#cluster, credentialsOf(this.#urls));
  }

  close(): void {
    this.#cluster.destroy();
  }
}

/**
 * Hears the messages of every server that has one of the channels. Not node-redis's own subscriptions to a cluster, which lose
 * messages without saying so when a channel moves.
 */
class ClusterSubscriber implements Subscriber {
  readonly #cluster: Client;
  readonly #credentials: ReturnType<typeof credentialsOf>;
  /** The slot of each channel, and the address of the server on which it is heard. */
  readonly #channels = new Map<string, { readonly slot: number; address: string }>();
  readonly #servers = new Map<string, Server>();
  #listener: Listener | undefined;
  readonly #checking: NodeJS.Timeout;

  constructor(cluster: Client, credentials: ReturnType<typeof credentialsOf>) {
    this.#cluster = cluster;
    this.#credentials = credentials;
    this.#checking = setInterval(() => void this.#check().catch(() => undefined), CHECK_MS).unref();
  }

  async start(listener: Listener): Promise<void> {
    this.#listener = listener;
  }

  async subscribe(channel: string): Promise<void> {
    try {
      const slot =
        this.#channels.get(channel)?.slot ??
        Number(await this.#cluster.sendCommand(channel, false, ["CLUSTER", "KEYSLOT", channel]));
      const address = this.#addressOf(slot);
      this.#channels.set(channel, { slot, address });
      const server = this.#serverAt(address);
      if (!server) return;
      await withinDeadline(server.started, START_MS);
      await server.subscriber.subscribe(channel);
    } catch {
      // The server of the channel is not reachable. The next call or check tries again.
    }
  }

  unsubscribe(channel: string): void {
    const { address } = this.#channels.get(channel) ?? {};
    this.#channels.delete(channel);
    if (address !== undefined) this.#servers.get(address)?.subscriber.unsubscribe(channel);
  }

  close(): void {
    clearInterval(this.#checking);
    for (const { subscriber } of this.#servers.values()) subscriber.close();
  }

  #addressOf(slot: number): string {
    return this.#cluster.slots[slot]?.master.address ?? "";
  }

  #serverAt(address: string): Server | undefined {
    const known = this.#servers.get(address);
    if (known) return known;
    const master = this.#cluster.masters.find((node) => node.address === address);
    if (!master || !this.#listener) return undefined;
    const subscriber = openSubscriber({
      ...this.#credentials,
      socket: { ...this.#credentials.socket, host: master.host, port: master.port } as never,
    });
    const started = subscriber.start(this.#listener);
    started.catch(() => undefined);
    this.#servers.set(address, { subscriber, started });
    return { subscriber, started };
  }

  /** Follows the channels whose slots have moved to other servers. */
  async #check(): Promise<void> {
    // A server that no longer has a slot says so, and node-redis then asks who has it.
    const probes = new Map(Array.from(this.#channels, ([channel, { address }]) => [address, channel]));
    await Promise.allSettled(
      Array.from(probes.values(), (channel) => this.#cluster.sendCommand(channel, false, ["EXISTS", channel])),
    );
    const moved = [...this.#channels].filter(([, { slot, address }]) => this.#addressOf(slot) !== address);
    for (const [channel, { address }] of moved) {
      this.#servers.get(address)?.subscriber.unsubscribe(channel);
      await this.subscribe(channel);
    }
    const used = new Set([...this.#channels.values()].map(({ address }) => address));
    for (const [address, { subscriber }] of this.#servers) {
      if (used.has(address)) continue;
      subscriber.close();
      this.#servers.delete(address);
    }
    if (moved.length > 0) this.#listener?.missed();
  }
}

/** The key by which the cluster finds the server: a script's first key, and the first argument of other commands. */
function keyOf([name = "", first, count, key]: readonly string[]): string | undefined {
  return /^EVAL(SHA)?$/i.test(name) ? (Number(count) > 0 ? key : undefined) : first;
}

function openCluster(urls: readonly string[]) {
  const { socket, ...credentials } = credentialsOf(urls);
  const cluster = createCluster({
    rootNodes: urls.map((url) => ({ url })),
    RESP: 2,
    topologyRefreshOnReconnectionAttemptStrategy: REDISCOVER_MS,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer }, timeout: 0 },
    defaults: {
      ...credentials,
      disableOfflineQueue: true,
      pingInterval: PING_MS,
      socket: {
        ...socket,
        socketTimeout: 3 * PING_MS,
        reconnectStrategy: (retries) => Math.min(MIN_RETRY_MS * 2 ** Math.min(retries, 10), MAX_RETRY_MS),
      },
    },
  });
  // Without a listener, an "error" event would end the process.
  cluster.on("error", () => undefined);
  return cluster;
}

/** What holds for every server of the cluster: those that the others name have no URL. */
function credentialsOf([url = ""]: readonly string[]) {
  const { protocol, username, password } = new URL(url);
  return {
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
    ...(protocol === "rediss:" && { socket: { tls: true as const } }),
  };
}
