// Upstash's REST protocol in front of any Redis 7 or later. memX talks to Redis only through @upstash/redis; this
// bridge lets it use a plain Redis too. It sends only the commands that memX needs: see allowed-commands.ts.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ErrorReply } from "redis";
import { type CommandCheck, createAllowList } from "./allowed-commands.ts";
import { NewsFeed } from "./news-feed.ts";
import { REDIS_TIMEOUT_MS, RedisUnavailable, withinDeadline } from "./redis-connection.ts";
import { openRedis, type RedisLink } from "./redis-link.ts";

/** A running bridge. */
export type RedisBridge = {
  /** Its address, for `UPSTASH_REDIS_REST_URL`. */
  readonly url: string;
  readonly token: string;
  /** The address that hears what other processes write; `undefined` while there is none. Needs the option `news`. */
  tellNewsTo(url: string | undefined): void;
  /** Finishes the requests in flight, then closes the server and the connection to Redis. */
  close(): Promise<void>;
};

/** The script with which a channel registers. memX sends it alone. */
const WATCH_SCRIPT = "watch.lua";

const MAX_BODY_BYTES = 16 * 1024 * 1024;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Makes the bridge respond with `status` and `{"error": message}`. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Connects to Redis, then listens. Rejects with one sentence for the operator, without passwords, if there is no usable
 * Redis at `redisUrl` or if the port is in use.
 *
 * @param options.token What callers send as `Authorization: Bearer`. Random by default.
 * @param options.port 0 picks a free port.
 * @param options.timeoutMs How long Redis may take to reply.
 * @param options.anyCommand Sends every command, for tests and the bench. All callers share one connection, so a command
 * that changes or blocks the connection then affects all of them.
 * @param options.news Also listens for what other processes write to the topics that callers watch.
 */
export async function startRedisBridge({
  redisUrl,
  token = randomBytes(24).toString("base64url"),
  host = "127.0.0.1",
  port,
  timeoutMs = REDIS_TIMEOUT_MS,
  anyCommand = false,
  news = false,
}: {
  redisUrl: string;
  token?: string | undefined;
  host?: string;
  port: number;
  timeoutMs?: number;
  anyCommand?: boolean;
  news?: boolean;
}): Promise<RedisBridge> {
  const allowList = createAllowList();
  const check: CommandCheck = anyCommand ? (command) => ({ ...allowList(command), refusal: undefined }) : allowList;
  const redis = await openRedis(redisUrl, timeoutMs);
  const feed = news ? await NewsFeed.open(redis.openSubscriber()) : undefined;
  const open = new Set<ServerResponse>();
  const expected = Buffer.from(token);

  const server = createServer(async (request, response) => {
    open.add(response);
    response.once("close", () => open.delete(response));
    let status = 200;
    let body: unknown;
    try {
      checkToken(request, expected);
      body = await handle(redis, request, check, feed);
    } catch (error) {
      status = error instanceof Refusal ? error.status : error instanceof RedisUnavailable ? 503 : 500;
      // A caller that disconnects in the middle of its body is not a failure of the bridge.
      if (status === 500 && !response.destroyed) console.error(error);
      body = { error: status === 500 ? "The bridge failed. The details are in its log." : (error as Error).message };
    }
    // The bridge does not read the rest of a body that is too large, so this connection cannot carry another request.
    if (status === 413) response.setHeader("connection", "close");
    if (status === 405) response.setHeader("allow", "POST");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  // Longer than clients keep idle connections: a write that is sent while the server closes the connection fails.
  server.keepAliveTimeout = 120_000;
  server.headersTimeout = 130_000;

  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    redis.close();
    feed?.close();
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error(`Port ${port} on ${host} is in use. Stop the program that listens there, or choose another port.`);
  }

  const bound = server.address() as AddressInfo;
  if (!/^127\.|^::1$/.test(bound.address)) {
    console.warn(`The bridge listens on ${bound.address}, so commands and the token cross the network in plain HTTP.`);
  }
  // A client cannot call "all addresses of this machine".
  const callable = { "0.0.0.0": "127.0.0.1", "::": "::1" }[bound.address] ?? host;
  return {
    url: `http://${callable.includes(":") ? `[${callable}]` : callable}:${bound.port}`,
    token,
    tellNewsTo: (url) => feed?.tell(url),
    async close() {
      server.close();
      const finished = Promise.all([...open].map((response) => once(response, "close")));
      // Then cut off requests that take too long, and connections that never sent one.
      await withinDeadline(finished, timeoutMs).catch(() => undefined);
      server.closeAllConnections();
      redis.close();
      feed?.close();
    },
  };
}

function checkToken(request: IncomingMessage, expected: Buffer): void {
  const given = Buffer.from(/^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "");
  // Its length is no secret.
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Refusal(401, "WRONGPASS invalid or missing auth token");
  }
}

async function handle(
  redis: RedisLink,
  request: IncomingMessage,
  check: CommandCheck,
  feed: NewsFeed | undefined,
): Promise<unknown> {
  const path = request.url?.replace(/\?.*/s, "");
  if (path !== "/" && path !== "/pipeline" && path !== "/multi-exec") {
    throw new Refusal(404, "No such path. Use /, /pipeline or /multi-exec.");
  }
  if (request.method !== "POST") throw new Refusal(405, "Send commands with POST.");
  const body = await readJson(request);
  const base64 = request.headers["upstash-encoding"] === "base64";
  const read = (value: unknown) => {
    const command = readCommand(value);
    const { refusal, script } = check(command);
    if (refusal !== undefined) throw new Refusal(400, refusal);
    return { command, script };
  };
  if (path === "/") {
    const { command, script } = read(body);
    if (script === WATCH_SCRIPT) await feed?.watch(command);
    const [reply] = await send(redis, [command], base64);
    if (reply && "error" in reply) throw new Refusal(400, reply.error);
    return reply;
  }
  if (!Array.isArray(body)) throw new Refusal(400, "The body must be an array of commands.");
  if (path === "/multi-exec" && !redis.transacts) throw new Refusal(400, "A cluster has no transactions.");
  const commands = body.map((value) => read(value).command);
  return path === "/pipeline" ? send(redis, commands, base64) : transact(redis, commands, base64);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const tooLarge = () => new Refusal(413, `The body must not have more than ${MAX_BODY_BYTES} bytes.`);
  if (Number(request.headers["content-length"]) > MAX_BODY_BYTES) throw tooLarge();
  const body = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    // Not `for await`, which costs a small request several times as much.
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= MAX_BODY_BYTES) return;
      request.pause();
      reject(tooLarge());
    });
    request.on("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on("error", reject);
  });
  try {
    return JSON.parse(UTF8.decode(body));
  } catch {
    throw new Refusal(400, "The body must be JSON in UTF-8.");
  }
}

function readCommand(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0) throw new Refusal(400, "A command must be a non-empty array.");
  return value.map((arg) => {
    if (typeof arg === "string" || typeof arg === "number" || typeof arg === "boolean") return String(arg);
    throw new Refusal(400, "The parts of a command must be strings, numbers or booleans.");
  });
}

type Reply = { readonly result: unknown } | { readonly error: string };

/** Sends independent commands: an error of one does not affect the others. */
async function send(redis: RedisLink, commands: string[][], base64: boolean): Promise<Reply[]> {
  return (await redis.send(commands, { asBuffers: base64 })).map((reply) => toReply(reply, base64));
}

/**
 * Sends a transaction. Not with the client's own `multi()`, which decodes the replies of EXEC as text and queues
 * commands while offline.
 */
async function transact(redis: RedisLink, commands: string[][], base64: boolean): Promise<Reply[]> {
  const all = await redis.send([["MULTI"], ...commands, ["EXEC"]], { asBuffers: base64 });
  const results = all.at(-1);
  // EXEC only says that an earlier command was wrong. Report the error of that command.
  if (!Array.isArray(results)) throw new Refusal(400, all.find((reply) => reply instanceof ErrorReply)?.message ?? "");
  return results.map((reply) => toReply(reply, base64));
}

function toReply(reply: unknown, base64: boolean): Reply {
  if (reply instanceof ErrorReply) return { error: reply.message };
  return { result: reply === "OK" ? reply : encode(reply, base64) };
}

function encode(reply: unknown, base64: boolean): unknown {
  if (Array.isArray(reply)) return reply.map((item) => encode(item, base64));
  if (reply instanceof ErrorReply) return encode(reply.message, base64);
  if (typeof reply === "string") return base64 ? encode(Buffer.from(reply), base64) : reply;
  return Buffer.isBuffer(reply) ? reply.toString(base64 ? "base64" : "utf8") : reply;
}
