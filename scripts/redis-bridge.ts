// Upstash's REST protocol over any Redis 7 or later: memX talks to Redis through @upstash/redis alone, and with this it
// also runs on a plain one. All callers share one connection, so what would change or block that connection is refused.

import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient, ErrorReply, RESP_TYPES } from "redis";

/** A bridge that listens. */
export type RedisBridge = {
  /** Where it listens, for `UPSTASH_REDIS_REST_URL`. */
  readonly url: string;
  /** Answers what is in flight, then ends the server and the connection to Redis. */
  close(): Promise<void>;
};

type RedisClient = ReturnType<typeof openClient>;

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** For Redis to answer, and for requests in flight to be answered when the bridge closes. */
const DEADLINE_MS = 10_000;

const REFUSED_COMMANDS = new Set(
  [
    "SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE MONITOR SYNC PSYNC REPLCONF",
    "MULTI EXEC DISCARD WATCH UNWATCH SELECT AUTH HELLO QUIT RESET CLIENT",
    "WAIT WAITAOF BLPOP BRPOP BLMOVE BLMPOP BZPOPMIN BZPOPMAX BZMPOP BRPOPLPUSH",
  ].flatMap((line) => line.split(" ")),
);

/** A request that is answered with `status` and `{"error": message}`. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Connects to Redis, then listens. Rejects with one sentence for people, free of passwords, when there is no Redis that
 * will do at `redisUrl` or the port is taken.
 *
 * @param options.token What callers send as `Authorization: Bearer`.
 * @param options.port 0 takes a free one.
 */
export async function startRedisBridge({
  redisUrl,
  token,
  host = "127.0.0.1",
  port,
}: {
  redisUrl: string;
  token: string;
  host?: string;
  port: number;
}): Promise<RedisBridge> {
  const client = await connect(redisUrl);
  const open = new Set<ServerResponse>();

  const server = createServer(async (request, response) => {
    open.add(response);
    response.once("close", () => open.delete(response));
    let status = 200;
    let body: unknown;
    try {
      checkToken(request, token);
      body = await handle(client, request);
    } catch (error) {
      status = error instanceof Refusal ? error.status : 500;
      // A caller that hung up in the middle of its body is no failure of the bridge.
      if (status === 500 && !response.destroyed) console.error(error);
      body = { error: status === 500 ? "The bridge failed; its log says why." : (error as Refusal).message };
    }
    // The rest of a body that is too large stays unread, so nothing can follow it on this connection.
    if (status === 413) response.setHeader("connection", "close");
    if (status === 405) response.setHeader("allow", "POST");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  // Longer than clients keep idle connections: a request on one that is just being closed is a failed write to them.
  server.keepAliveTimeout = 120_000;
  server.headersTimeout = 130_000;

  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    client.destroy();
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error(`Port ${port} on ${host} is taken: end what listens there, or choose another port.`);
  }

  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      const answered = Promise.all([...open].map((response) => once(response, "close")));
      // Late requests are cut off, and so are connections that never sent one.
      await withinDeadline(answered).catch(() => undefined);
      server.closeAllConnections();
      client.destroy();
    },
  };
}

/** The address without user, password and query, fit for print. */
export function withoutPassword(redisUrl: string): string {
  return redisUrl.replace(/\/\/.*@/s, "//").replace(/[?#].*/s, "");
}

function openClient(url: string, reconnectStrategy: (retries: number) => number | false) {
  return createClient({
    url,
    RESP: 2,
    // A lost connection fails all that wait for it. Otherwise the rest of a transaction would go out on the next one.
    disableOfflineQueue: true,
    socket: { reconnectStrategy },
    commandOptions: {
      typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer },
      // The client's own time limit drops single commands that wait to be sent, and would tear transactions apart.
      timeout: 0,
    },
  });
}

async function connect(redisUrl: string): Promise<RedisClient> {
  const shown = withoutPassword(redisUrl);
  let state: "starting" | "connected" | "lost" = "starting";
  let client: RedisClient;
  try {
    client = openClient(redisUrl, (retries) => state !== "starting" && Math.min(50 * 2 ** retries, 1000));
  } catch {
    // The cause may quote the address with its password.
    throw new Error("REDIS_URL is not an address of a Redis: it looks like redis://user:password@127.0.0.1:6379/0.");
  }
  client.on("error", (error) => {
    if (state !== "connected") return;
    state = "lost";
    console.warn(`The connection to Redis at ${shown} is lost (${error.code ?? error.message}); trying again.`);
  });
  client.on("ready", () => {
    if (state !== "lost") return;
    state = "connected";
    console.log(`Redis at ${shown} is back.`);
  });

  try {
    await withinDeadline(client.connect());
    const info = String(await withinDeadline(client.sendCommand(["INFO"])));
    const version = /^redis_version:((\d+)\S*)/m.exec(info);
    if (version === null || Number(version[2]) < 7) {
      throw new Refusal(503, `Redis at ${shown} is version ${version?.[1] ?? "unknown"}: memX needs 7 or later.`);
    }
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? "noeviction";
    if (policy !== "noeviction") {
      console.warn(
        `Redis at ${shown} throws data away when its memory is full (maxmemory-policy ${policy}), and memX would not ` +
          "notice: run redis-cli config set maxmemory-policy noeviction.",
      );
    }
    state = "connected";
    return client;
  } catch (error) {
    client.destroy();
    if (error instanceof Refusal) throw new Error(error.message);
    if (error instanceof ErrorReply) {
      const reason = error.message.replace(/\.$/, "");
      throw new Error(`Redis at ${shown} refused: ${reason}. Check user, password and database of REDIS_URL.`);
    }
    throw new Error(
      `There is no Redis at ${shown}. Start one with redis-server (Debian: apt-get install redis-server), or set REDIS_URL.`,
    );
  }
}

function checkToken(request: IncomingMessage, token: string): void {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const digest = (text: string) => createHash("sha256").update(text).digest();
  if (given === undefined || !timingSafeEqual(digest(given), digest(token))) {
    throw new Refusal(401, "WRONGPASS invalid or missing auth token");
  }
}

async function handle(client: RedisClient, request: IncomingMessage): Promise<unknown> {
  const path = request.url?.replace(/\?.*/s, "");
  if (path !== "/" && path !== "/pipeline" && path !== "/multi-exec") {
    throw new Refusal(404, "There are /, /pipeline and /multi-exec.");
  }
  if (request.method !== "POST") throw new Refusal(405, "Commands are sent with POST.");
  const body = await readJson(request);
  const base64 = request.headers["upstash-encoding"] === "base64";
  if (path === "/") {
    const [answer] = await send(client, [readCommand(body)], base64);
    if (answer && "error" in answer) throw new Refusal(400, answer.error);
    return answer;
  }
  if (!Array.isArray(body)) throw new Refusal(400, "The body has to be an array of commands.");
  const commands = body.map(readCommand);
  return path === "/pipeline" ? send(client, commands, base64) : transact(client, commands, base64);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const tooLarge = () => new Refusal(413, `A body has at most ${MAX_BODY_BYTES} bytes.`);
  if (Number(request.headers["content-length"]) > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw new Refusal(400, "The body is not JSON in UTF-8.");
  }
}

function readCommand(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0) throw new Refusal(400, "A command has to be an array, not empty.");
  const command = value.map((arg) => {
    if (typeof arg === "string" || typeof arg === "number" || typeof arg === "boolean") return String(arg);
    throw new Refusal(400, "The parts of a command have to be strings, numbers or booleans.");
  });
  const [name = "", ...options] = command.map((arg) => arg.toUpperCase());
  const blocks = /^XREAD(GROUP)?$/.test(name) && options.slice(0, options.indexOf("STREAMS")).includes("BLOCK");
  if (blocks || REFUSED_COMMANDS.has(name)) {
    throw new Refusal(
      400,
      `${name}${blocks ? " with BLOCK" : ""} is refused: all callers share one connection to Redis.`,
    );
  }
  return command;
}

type Answer = { readonly result: unknown } | { readonly error: string };

/** Each on its own: what becomes of one changes nothing for the others. */
async function send(client: RedisClient, commands: string[][], base64: boolean): Promise<Answer[]> {
  return (await replies(client, commands)).map((reply) => toAnswer(reply, base64));
}

/** All or nothing. Not with the client's own `multi()`, which reads the replies of EXEC as text and queues offline. */
async function transact(client: RedisClient, commands: string[][], base64: boolean): Promise<Answer[]> {
  const all = await replies(client, [["MULTI"], ...commands, ["EXEC"]]);
  const results = all.at(-1);
  // EXEC itself only says that something was wrong before it.
  if (!Array.isArray(results)) throw new Refusal(400, all.find((reply) => reply instanceof ErrorReply)?.message ?? "");
  return results.map((reply) => toAnswer(reply, base64));
}

/** Redis's replies, its errors among them. The commands are sent without another caller's in between. */
async function replies(client: RedisClient, commands: string[][]): Promise<unknown[]> {
  if (!client.isReady) throw new Refusal(503, "Redis is not reachable.");
  const sent = commands.map((command) =>
    client.sendCommand(command).catch((error: unknown) => {
      if (error instanceof ErrorReply) return error;
      throw error;
    }),
  );
  try {
    return await withinDeadline(Promise.all(sent));
  } catch {
    // Why is in the log, by the listener for errors.
    throw new Refusal(503, "Redis did not answer, and may have executed the request all the same.");
  }
}

function toAnswer(reply: unknown, base64: boolean): Answer {
  if (reply instanceof ErrorReply) return { error: reply.message };
  return { result: reply === "OK" ? reply : encode(reply, base64) };
}

function encode(reply: unknown, base64: boolean): unknown {
  if (Array.isArray(reply)) return reply.map((item) => encode(item, base64));
  if (reply instanceof ErrorReply) return encode(reply.message, base64);
  if (typeof reply === "string") return encode(Buffer.from(reply), base64);
  return Buffer.isBuffer(reply) ? reply.toString(base64 ? "base64" : "utf8") : reply;
}

async function withinDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
