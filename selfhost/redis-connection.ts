// One connection to a Redis that will do for memX, and another one whenever it is lost. Not node-redis's own way to
// reconnect: it waits for the socket to fail, which on a path that swallows everything takes TCP a quarter of an hour.

import { setTimeout as sleep } from "node:timers/promises";
import { createClient, ErrorReply, RESP_TYPES } from "redis";

export const REDIS_URL = process.env.REDIS_URL || "redis://127.0.0.1:6379/0";

/** How long Redis may take to reply, unless the caller sets another limit. */
export const REDIS_TIMEOUT_MS = 10_000;
/** Between commands that are there to be answered, so that silence is noticed before somebody needs the connection. */
const HEARTBEAT_MS = 5_000;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

/** Redis can not be asked, or did not answer. */
export class RedisUnavailable extends Error {
  override readonly name = "RedisUnavailable";
}

type RedisClient = ReturnType<typeof openClient>;

export class RedisConnection {
  readonly #url: string;
  readonly #timeoutMs: number;
  #client: RedisClient;
  #heardAt = 0;
  #closed = false;
  readonly #heartbeat: NodeJS.Timeout;

  private constructor(url: string, timeoutMs: number, client: RedisClient) {
    this.#url = url;
    this.#timeoutMs = timeoutMs;
    this.#client = client;
    this.#use(client);
    // Whether it was answered is judged in `send`, as for any other command.
    const beat = () => this.send([["PING"]]).catch(() => undefined);
    this.#heartbeat = setInterval(beat, HEARTBEAT_MS).unref();
  }

  /** Rejects with one sentence for people, free of passwords, when there is no Redis at `url` that will do. */
  static async open(url: string, timeoutMs: number): Promise<RedisConnection> {
    const shown = withoutPassword(url);
    let client: RedisClient;
    try {
      client = openClient(url);
    } catch {
      // The cause may quote the address with its password.
      throw new Error("REDIS_URL is not an address of a Redis: it looks like redis://user:password@127.0.0.1:6379/0.");
    }
    try {
      await withinDeadline(client.connect(), timeoutMs);
      judge(String(await withinDeadline(client.sendCommand(["INFO"]), timeoutMs)), shown);
      return new RedisConnection(url, timeoutMs, client);
    } catch (error) {
      client.destroy();
      if (error instanceof UnsuitableRedis) throw error;
      if (error instanceof ErrorReply) {
        const reason = error.message.replace(/\.$/, "");
        throw new Error(`Redis at ${shown} refused: ${reason}. Check user, password and database of REDIS_URL.`);
      }
      throw new Error(
        `There is no Redis at ${shown}. Start one with redis-server (Debian: apt-get install redis-server), or set REDIS_URL.`,
      );
    }
  }

  /**
   * Redis's replies, its errors among them. The commands are sent without another caller's in between.
   * @throws {RedisUnavailable}
   */
  async send(commands: readonly string[][]): Promise<unknown[]> {
    const client = this.#client;
    if (!client.isReady) throw new RedisUnavailable("Redis is not reachable.");
    const sentAt = performance.now();
    const replies = commands.map(async (command) => {
      const reply = await client.sendCommand(command).catch((error: unknown) => {
        if (error instanceof ErrorReply) return error;
        throw error;
      });
      this.#heardAt = performance.now();
      return reply;
    });
    try {
      return await withinDeadline(Promise.all(replies), this.#timeoutMs);
    } catch {
      // A Redis that is slow but talks keeps its connection. Any other cause has come to the listener for errors already.
      if (this.#heardAt <= sentAt) this.#replace(client, "it does not answer");
      throw new RedisUnavailable("Redis did not answer, and may have executed the request all the same.");
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    this.#client.destroy();
  }

  #use(client: RedisClient): void {
    client.on("error", (error) => this.#replace(client, error.code ?? error.message));
  }

  /** Fails all that wait for `lost`, and goes on with another, unless that is under way. */
  async #replace(lost: RedisClient, reason: string): Promise<void> {
    if (this.#closed || this.#client !== lost) return;
    const shown = withoutPassword(this.#url);
    console.warn(`The connection to Redis at ${shown} is lost (${reason}); trying again.`);
    for (let delayMs = MIN_RETRY_MS; ; delayMs = Math.min(2 * delayMs, MAX_RETRY_MS)) {
      this.#client.destroy();
      const client = openClient(this.#url);
      this.#client = client;
      await sleep(delayMs);
      if (this.#closed) return;
      try {
        await withinDeadline(client.connect(), this.#timeoutMs);
      } catch {
        // Redis is still away.
        continue;
      }
      // A client that is destroyed while it connects gets its connection all the same.
      if (this.#closed) return client.destroy();
      this.#use(client);
      console.log(`Redis at ${shown} is back.`);
      return;
    }
  }
}

/** The address without user, password and query, fit for print, whatever it is. */
export function withoutPassword(redisUrl: string): string {
  const { protocol, host, pathname, search, hash } = URL.parse(redisUrl) ?? {};
  // An "@" behind the host means that the password has a "/", "?" or "#" in it, and what looks like a host is a part of it.
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
    // A lost connection fails all that wait for it. Otherwise the rest of a transaction would go out on the next one.
    disableOfflineQueue: true,
    socket: { reconnectStrategy: false },
    commandOptions: {
      typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer },
      // The client's own time limit drops single commands that wait to be sent, and would tear transactions apart.
      timeout: 0,
    },
  });
  // Until it is connected, `connect()` tells what is wrong; but an error that nobody listens for ends the process.
  client.on("error", () => undefined);
  return client;
}

class UnsuitableRedis extends Error {}

/** Of the reply to INFO. */
function judge(info: string, shown: string): void {
  const version = /^redis_version:((\d+)\S*)/m.exec(info);
  if (version === null || Number(version[2]) < 7) {
    throw new UnsuitableRedis(`Redis at ${shown} is version ${version?.[1] ?? "unknown"}: memX needs 7 or later.`);
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? "noeviction";
  if (policy !== "noeviction") {
    console.warn(
      `Redis at ${shown} throws data away when its memory is full (maxmemory-policy ${policy}), and memX would not ` +
        "notice: run redis-cli config set maxmemory-policy noeviction.",
    );
  }
}
