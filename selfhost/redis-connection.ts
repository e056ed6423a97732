// One connection to a Redis that memX can use, replaced whenever it is lost. node-redis's own reconnect is off, because
// it waits for the socket to fail: if the network drops every packet, TCP takes a quarter of an hour for that.

import { setTimeout as sleep } from "node:timers/promises";
import { createClient, ErrorReply, RESP_TYPES } from "redis";
import type { RedisLink } from "./redis-link.ts";
import { openSubscriber, type Subscriber } from "./redis-subscriber.ts";

export const REDIS_URL = process.env.REDIS_URL || "redis://127.0.0.1:6379/0";

/** How long Redis may take to reply, unless the caller sets another limit. */
export const REDIS_TIMEOUT_MS = 10_000;
/** A key that never has a value, as in `memory/store/redis/redis-keys.ts`. */
const HEALTH_KEY = "memx:health";
/** Between PINGs, so that the bridge notices a dead connection before a caller needs it. */
const HEARTBEAT_MS = 5_000;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

/** Redis is not reachable, or did not reply in time. */
export class RedisUnavailable extends Error {
  override readonly name = "RedisUnavailable";
}

const AS_BUFFERS = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

type RedisClient = ReturnType<typeof openClient>;

export class RedisConnection implements RedisLink {
  readonly transacts = true;
  readonly isCluster: boolean;
  readonly #url: string;
  readonly #timeoutMs: number;
  #client: RedisClient;
  #heardAt = 0;
  #closed = false;
  readonly #heartbeat: NodeJS.Timeout;

  private constructor(url: string, timeoutMs: number, client: RedisClient, isCluster: boolean) {
    this.isCluster = isCluster;
    this.#url = url;
    this.#timeoutMs = timeoutMs;
    this.#client = client;
    this.#use(client);
    // `send` handles a missing reply, as for any other command.
    const beat = () => this.send([["PING"]]).catch(() => undefined);
    this.#heartbeat = setInterval(beat, HEARTBEAT_MS).unref();
  }

  /** Rejects with one sentence for the operator, without passwords, if there is no usable Redis at `url`. */
  static async open(url: string, timeoutMs: number): Promise<RedisConnection> {
    const shown = withoutPassword(url);
    let client: RedisClient;
    try {
      client = openClient(url);
    } catch {
      // Without the cause, which may quote the address with its password.
      throw new Error("REDIS_URL must be the address of a Redis, such as redis://user:password@127.0.0.1:6379/0.");
    }
    try {
      await withinDeadline(client.connect(), timeoutMs);
      const { isCluster } = await withinDeadline(checkSuitable(client, shown), timeoutMs);
      return new RedisConnection(url, timeoutMs, client, isCluster);
    } catch (error) {
      client.destroy();
      if (error instanceof UnsuitableRedis) throw error;
      if (error instanceof ErrorReply) {
        const reason = error.message.replace(/\.$/, "");
        throw new Error(
          `Redis at ${shown} refused the connection: ${reason}. Check the user, password and database in REDIS_URL.`,
        );
      }
      throw new Error(
        `No Redis responds at ${shown}. Start one with redis-server (Debian: apt-get install redis-server), or set REDIS_URL.`,
      );
    }
  }

  /**
   * Returns Redis's replies, including its errors. No command of another caller goes out between these commands.
   * @throws {RedisUnavailable}
   */
  send(commands: readonly string[][], { asBuffers = false } = {}): Promise<unknown[]> {
    const client = this.#client;
    if (!client.isReady) return Promise.reject(new RedisUnavailable("Redis is not reachable."));
    if (commands.length === 0) return Promise.resolve([]);
    const sentAt = performance.now();
    const options = asBuffers ? AS_BUFFERS : undefined;
    // One promise and no race, because this runs for every request.
    return new Promise((resolve, reject) => {
      const fail = () => {
        clearTimeout(timer);
        // A Redis that is slow but replies keeps its connection. The error listener handles every other cause.
        if (this.#heardAt <= sentAt) this.#replace(client, "no reply");
        reject(new RedisUnavailable("Redis did not reply. It may have executed the request."));
      };
      const timer = setTimeout(fail, this.#timeoutMs);
      const replies: unknown[] = new Array(commands.length);
      let missing = commands.length;
      const take = (index: number, reply: unknown) => {
        this.#heardAt = performance.now();
        replies[index] = reply;
        if (--missing > 0) return;
        clearTimeout(timer);
        resolve(replies);
      };
      for (const [index, command] of commands.entries()) {
        client.sendCommand(command, options).then(
          (reply) => take(index, reply),
          (error: unknown) => (error instanceof ErrorReply ? take(index, error) : fail()),
        );
      }
    });
  }

  openSubscriber(): Subscriber {
    return openSubscriber({ url: this.#url });
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    this.#client.destroy();
  }

  #use(client: RedisClient): void {
    client.on("error", (error) => this.#replace(client, error.code ?? error.message));
  }

  /** Fails the commands that wait for `lost` and opens another connection, unless another call already does. */
  async #replace(lost: RedisClient, reason: string): Promise<void> {
    if (this.#closed || this.#client !== lost) return;
    const shown = withoutPassword(this.#url);
    console.warn(`The connection to Redis at ${shown} is lost (${reason}). Reconnecting.`);
    for (let delayMs = MIN_RETRY_MS; ; delayMs = Math.min(2 * delayMs, MAX_RETRY_MS)) {
      this.#client.destroy();
      const client = openClient(this.#url);
      this.#client = client;
      await sleep(delayMs);
      if (this.#closed) return;
      try {
        await withinDeadline(client.connect(), this.#timeoutMs);
      } catch {
        // Redis is still not reachable.
        continue;
      }
      // A client that was destroyed while it connected still gets its connection.
      if (this.#closed) return client.destroy();
      this.#use(client);
      console.log(`Reconnected to Redis at ${shown}.`);
      // It may be another server now. If it is gone again, the next connection is checked.
      await checkSuitable(client, shown).catch((error) => {
        if (error instanceof UnsuitableRedis) console.warn(error.message);
      });
      return;
    }
  }
}

/** The addresses without user, password and query, safe to print whatever the setting contains. */
export function withoutPassword(redisUrl: string): string {
  const parts = redisUrl.split(",");
  if (parts.length > 1) {
    const shown = parts.map((part) => withoutPassword(part.trim()));
    // A comma may be a part of a password.
    return shown.every((part) => part.startsWith("redis")) ? shown.join(",") : "the addresses in REDIS_URL";
  }
  const { protocol, host, pathname, search, hash } = URL.parse(redisUrl) ?? {};
  // An "@" after the host means that the password contains "/", "?" or "#", and the "host" is part of it.
  const isAddress = /^rediss?:$/.test(protocol ?? "") && host && !`${pathname}${search}${hash}`.includes("@");
  return isAddress
    ? `${protocol}//${host}${/^\/\d*$/.test(pathname ?? "") ? pathname : ""}`
    : "the address in REDIS_URL";
}

/** @throws {Error} after `timeoutMs` */
export async function withinDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no reply within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function openClient(url: string) {
  const client = createClient({
    url,
    RESP: 2,
    // A lost connection fails every waiting command. Otherwise the rest of a transaction would go out on the next one.
    disableOfflineQueue: true,
    socket: { reconnectStrategy: false },
    commandOptions: {
      // The client's own time limit drops single commands from its queue, and so would break transactions apart.
      timeout: 0,
    },
  });
  // `connect()` rejects with the error. But an "error" event without a listener would end the process.
  client.on("error", () => undefined);
  return client;
}

export class UnsuitableRedis extends Error {}

/**
 * Warns of a Redis that may lose data or takes no writes.
 * @throws {UnsuitableRedis} if memX cannot use it
 */
export async function checkSuitable(
  client: Pick<RedisClient, "sendCommand">,
  shown: string,
): Promise<{ isCluster: boolean }> {
  const info = String(await client.sendCommand(["INFO"]));
  warnOf(info, shown);
  const isCluster = /^cluster_enabled:1/m.test(info);
  // In a cluster, only one of the servers may have the key.
  if (isCluster) return { isCluster };
  // A write that changes nothing. Redis refuses it for more reasons than INFO shows.
  const refusal = await client.sendCommand(["SETRANGE", HEALTH_KEY, "0", ""]).catch((error: unknown) => error);
  if (refusal instanceof ErrorReply && /^(MISCONF|NOREPLICAS) /.test(refusal.message)) {
    console.warn(`Redis at ${shown} takes no writes: ${refusal.message}`);
  }
  return { isCluster };
}

/** @throws {UnsuitableRedis} if the reply to INFO shows a Redis that memX cannot use */
function warnOf(info: string, shown: string): void {
  const version = /^redis_version:((\d+)\S*)/m.exec(info);
  if (version === null || Number(version[2]) < 7) {
    throw new UnsuitableRedis(`Redis at ${shown} has version ${version?.[1] ?? "unknown"}. memX needs 7 or later.`);
  }
  const value = (name: string) => new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1];
  const policy = value("maxmemory_policy") ?? "noeviction";
  if (policy !== "noeviction") {
    console.warn(
      `Redis at ${shown} deletes data when its memory is full (maxmemory-policy ${policy}), and memX would not notice. ` +
        "Run: redis-cli config set maxmemory-policy noeviction",
    );
  }
  if (value("role") === "slave" && value("slave_read_only") === "1") {
    console.warn(`Redis at ${shown} is a read-only replica, so memX cannot write. Set REDIS_URL to its primary.`);
  }
  const maxMemory = Number(value("maxmemory"));
  if (maxMemory > 0 && Number(value("used_memory")) >= maxMemory && policy === "noeviction") {
    console.warn(
      `Redis at ${shown} is full (maxmemory ${maxMemory}), so memX can only read and delete. Raise maxmemory.`,
    );
  }
}
