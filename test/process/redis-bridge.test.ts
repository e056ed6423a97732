// The bridge in front of a real Redis: through the client that memX uses, and over plain HTTP if that client would hide
// the response.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, connect as openSocket, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "@upstash/redis";
import { createClient, RESP_TYPES } from "redis";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { withoutPassword } from "../../selfhost/redis-connection.ts";
import { freePort } from "../support/free-port.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";

const TOKEN = "the-token";
let redis: RedisServer;
let url: string;
let closeBridge: () => Promise<void>;

beforeAll(async () => {
  redis = await startRedisServer();
  ({ url, close: closeBridge } = await openBridge({ redisUrl: redis.url }));
});

/** A bridge that sends every command, to test how it carries commands and replies. */
function openBridge(options: { redisUrl: string; timeoutMs?: number }): Promise<RedisBridge> {
  return startRedisBridge({ ...options, token: TOKEN, port: 0, anyCommand: true });
}

afterAll(async () => {
  await closeBridge?.();
  await redis?.stop();
});

let keys = 0;
const freshKey = () => `key-${++keys}`;

type Reply = { status: number; body: unknown };

async function post(path: string, body: unknown, headers: Record<string, string> = {}, base = url): Promise<Reply> {
  const response = await fetch(base + path, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const result = (value: unknown) => ({ status: 200, body: { result: value } });
const error = (status: number, message: unknown) => ({ status, body: { error: message } });

function clientFor(responseEncoding: "base64" | false): Redis {
  return new Redis({
    url,
    token: TOKEN,
    responseEncoding,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    retry: false,
  });
}

/** Writes bytes to Redis that JSON cannot represent. */
async function writeBytes(key: string, bytes: Buffer): Promise<void> {
  const client = createClient({
    url: redis.url,
    RESP: 2,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  await client.connect();
  await client.set(key, bytes);
  client.destroy();
}

describe.each(["base64", false] as const)("with responseEncoding %s", (responseEncoding) => {
  const client = () => clientFor(responseEncoding);

  it.each([
    ["plain text", "hello"],
    ["a number as text", "123"],
    ["null as text", "null"],
    ["OK", "OK"],
    ["text that looks like base64", "T0s="],
    ["an empty text", ""],
    ["NUL and line ends", "a\0b\r\nc"],
    ["emoji", "🧠 größer 記憶"],
    ["256 KiB", "ä🧠x\u0001".repeat(32 * 1024)],
  ])("returns %s as it was written", async (_, text) => {
    const key = freshKey();
    expect(await client().set(key, text)).toBe("OK");
    expect(await client().get(key)).toBe(text);
  });

  it("returns null for a missing key", async () => {
    expect(await client().get(freshKey())).toBe(null);
  });

  it("returns integers as integers", async () => {
    const key = freshKey();
    expect(await client().incrby(key, 41)).toBe(41);
    expect(await client().incrby(key, -83)).toBe(-42);
  });

  it("returns nested arrays from Lua", async () => {
    const script = "return {'a', {7, {'OK', false, ARGV[1]}, {}}, 'z'}";
    expect(await client().eval(script, [], ["🧠"])).toEqual(["a", [7, ["OK", null, "🧠"], []], "z"]);
  });

  it("runs a script by its hash after the first call", async () => {
    const script = client().createScript<string>(`return ARGV[1] .. '${responseEncoding}'`);
    expect(await script.exec([], ["1"])).toBe(`1${responseEncoding}`);
    expect(await script.exec([], ["2"])).toBe(`2${responseEncoding}`);
  });

  it("continues after an error in the middle of a pipeline", async () => {
    const key = freshKey();
    const pipeline = client().pipeline().set(key, "text").incr(key).get(key);
    const [set, incr, get] = await pipeline.exec<[string, number, string]>({ keepErrors: true });
    expect(set).toEqual({ result: "OK", error: undefined });
    expect(incr?.error).toBe("ERR value is not an integer or out of range");
    expect(get?.result).toBe("text");
  });

  it("returns the results of a transaction", async () => {
    const key = freshKey();
    const transaction = client().multi().set(key, "🧠\0").get(key).lpush(`${key}l`, "b", "a").lrange(`${key}l`, 0, -1);
    expect(await transaction.exec()).toEqual(["OK", "🧠\0", 2, ["a", "b"]]);
  });
});

it("returns base64 on request, with every byte as in Redis", async () => {
  const key = freshKey();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await writeBytes(key, bytes);
  const base64 = { "upstash-encoding": "base64" };
  const expected = bytes.toString("base64");
  expect(await post("/", ["GET", key], base64)).toEqual(result(expected));
  expect(await post("/pipeline", [["GET", key]], base64)).toEqual({ status: 200, body: [{ result: expected }] });
  expect(await post("/multi-exec", [["GET", key]], base64)).toEqual({ status: 200, body: [{ result: expected }] });
  expect(await post("/", ["EVAL", "return {redis.call('GET', KEYS[1]), 1, {'OK'}}", 1, key], base64)).toEqual(
    result([expected, 1, ["T0s="]]),
  );
});

it("encodes status replies too, except a top-level OK", async () => {
  const base64 = { "upstash-encoding": "base64" };
  expect(await post("/", ["PING"], base64)).toEqual(result("UE9ORw=="));
  expect(await post("/", ["SET", freshKey(), 1], base64)).toEqual(result("OK"));
  expect(await post("/", ["PING"])).toEqual(result("PONG"));
});

it("accepts numbers and booleans as arguments", async () => {
  const key = freshKey();
  await post("/", ["RPUSH", key, 1, 1.5, true, false]);
  expect(await post("/", ["LRANGE", key, 0, -1])).toEqual(result(["1", "1.5", "true", "false"]));
});

it("passes on the text of a Redis error", async () => {
  const key = freshKey();
  await post("/", ["SET", key, "v"]);
  expect(await post("/", ["LPUSH", key, "v"])).toEqual(
    error(400, "WRONGTYPE Operation against a key holding the wrong kind of value"),
  );
  expect(await post("/", ["NOSUCH"])).toEqual(error(400, "ERR unknown command 'NOSUCH', with args beginning with: "));
});

it("runs the rest of a transaction after a failed command, as Redis does", async () => {
  const key = freshKey();
  const commands = [
    ["SET", key, "text"],
    ["INCR", key],
    ["GET", key],
  ];
  const body = [{ result: "OK" }, { error: "ERR value is not an integer or out of range" }, { result: "text" }];
  expect(await post("/multi-exec", commands)).toEqual({ status: 200, body });
});

it("writes nothing of a refused transaction, and keeps working", async () => {
  const key = freshKey();
  const refused = error(400, "ERR unknown command 'NOSUCH', with args beginning with: 'x' ");
  expect(
    await post("/multi-exec", [
      ["SET", key, 1],
      ["NOSUCH", "x"],
    ]),
  ).toEqual(refused);
  expect(await post("/", ["EXISTS", key])).toEqual(result(0));
});

it("runs no other command between the commands of a transaction", async () => {
  const key = freshKey();
  const commands = Array.from({ length: 50 }, () => ["INCR", key]);
  const [transactions] = await Promise.all([
    Promise.all(Array.from({ length: 20 }, () => post("/multi-exec", commands))),
    Promise.all(Array.from({ length: 200 }, () => post("/", ["INCR", key]))),
  ]);
  for (const { body } of transactions) {
    const counts = (body as { result: number }[]).map((reply) => reply.result);
    expect(counts).toEqual(counts.map((_, n) => (counts[0] ?? 0) + n));
  }
  expect(await post("/", ["GET", key])).toEqual(result(String(20 * 50 + 200)));
});

it.each([
  ["a wrong token", { authorization: "Bearer the-tokem" }],
  ["a truncated token", { authorization: "Bearer the" }],
  ["another scheme", { authorization: `Basic ${TOKEN}` }],
  ["an empty token", { authorization: "Bearer " }],
  ["no token", { authorization: "" }],
])("refuses %s and does nothing", async (_, headers) => {
  const key = freshKey();
  const refused = error(401, "WRONGPASS invalid or missing auth token");
  expect(await post("/", ["SET", key, 1], headers)).toEqual(refused);
  expect(await post("/", ["EXISTS", key])).toEqual(result(0));
});

it.each([
  ["not JSON", "/", "SET k v"],
  ["not UTF-8", "/", Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d)],
  ["empty", "/", ""],
  ["an object", "/", { SET: "k" }],
  ["a command without a name", "/", []],
  ["a command with null", "/", ["SET", "k", null]],
  ["a command with an object", "/", ["SET", "k", { x: 1 }]],
  ["a command with an array", "/", ["SET", "k", ["x"]]],
  ["one command instead of an array of commands", "/pipeline", ["SET", "k", "v"]],
  ["a pipeline with null in it", "/pipeline", [["PING"], null]],
  ["not a transaction", "/multi-exec", "true"],
])("refuses a body that is %s", async (_, path, body) => {
  expect(await post(path, body)).toEqual(error(400, expect.any(String)));
});

describe("sends Redis only what memX needs", () => {
  let strict: { url: string; close(): Promise<void> };
  beforeAll(async () => {
    strict = await startRedisBridge({ redisUrl: redis.url, token: TOKEN, port: 0 });
  });
  afterAll(() => strict?.close());
  const call = (path: string, body: unknown) => post(path, body, {}, strict.url);
  const script = (name: string) => readFileSync(`memory/store/redis/${name}.lua`, "utf8");
  const digest = (text: string) => createHash("sha1").update(text).digest("hex");

  it.each([
    ["CONFIG", "GET", "requirepass"],
    ["config", "set", "dir", "/tmp"],
    ["SHUTDOWN", "NOSAVE"],
    ["FLUSHALL"],
    ["DEBUG", "SLEEP", "9"],
    ["REPLICAOF", "127.0.0.1", "1"],
    ["ACL", "LIST"],
    ["INFO"],
    ["KEYS", "*"],
    ["GET", "{memx:}:revision"],
    ["SET", "{memx:}:revision", "1"],
    ["SUBSCRIBE", "c"],
    ["MONITOR"],
    ["MULTI"],
    ["SELECT", "1"],
    ["Client", "REPLY", "OFF"],
    ["BLPOP", "k", "0"],
    ["SCRIPT", "FLUSH"],
    ["FUNCTION", "LIST"],
    ["ZADD", "other", "1", "member"],
    ["ZRANGE", "{memx:}:keys", "0", "-1"],
    ["a name\r\nwith a line break"],
    ["EVAL", "return redis.call('CONFIG', 'GET', '*')", "0"],
    ["eval", "return 1", "0"],
    ["EVAL_RO", "return 1", "0"],
    ["FCALL", "f", "0"],
    ["EVALSHA", digest("return 1"), "0"],
    ["EVAL", `${script("read-entry")} `, "1", "{memx:}:entry:a"],
    ["EVAL", script("namespace"), "0"],
    ["EVAL", script("read-entry"), "1", "session:1"],
    ["EVAL", script("read-entry"), "1", "memx:expiring"],
    ["EVALSHA", digest(script("read-many")), "2", "{memx:}:revision", "session:1"],
  ])("refuses %s", async (...command) => {
    const refused = error(400, expect.stringMatching(/^The bridge (sends Redis only|runs) /));
    expect(await call("/", command)).toEqual(refused);
    expect(await call("/pipeline", [["PING"], command])).toEqual(refused);
    expect(await call("/multi-exec", [command])).toEqual(refused);
    expect(await call("/", ["PING"])).toEqual(result("PONG"));
  });

  it("says what to do about a script of another version, so that memX does not send the script again", async () => {
    const { body } = await call("/", ["EVALSHA", digest("return 'another version'"), 0]);
    expect((body as { error: string }).error).toMatch(/^The bridge runs only the scripts of memX.*same version\.$/);
  });

  it("runs the scripts of memX on the keys of memX, and its sweep", async () => {
    const read = ["{memx:ns}:revision", "{memx:ns}:entry:a"];
    expect(await call("/", ["EVAL", script("read-entry"), 2, ...read])).toEqual(
      result(["0", null, null, null, null, null, null]),
    );
    const sha = digest(script("read-entry"));
    expect(await call("/", ["evalsha", sha.toUpperCase(), "2", ...read])).toMatchObject({ status: 200 });
    expect(await call("/", ["EVAL", script("check-health"), 2, "memx:health", "{memx:health}:version"])).toMatchObject({
      status: 200,
    });
    const keys = ["revision", "begin", "log", "texts", "keys", "expiries", "bytes", "entry:"];
    const expire = [
      "EVAL",
      script("namespace") + script("expire"),
      8,
      ...keys.map((key) => `{memx:ns}:${key}`),
      "1000 1000000 64",
      "60 100 10 64",
      1,
    ];
    expect(await call("/", expire)).toEqual(result(""));
    expect(await call("/", ["zadd", "memx:expiring", 1, "ns"])).toEqual(result(1));
    expect(await call("/", ["ZRANGE", "memx:expiring", 0, -1])).toEqual(result(["ns"]));
    expect(await call("/", ["ZREM", "memx:expiring", "ns"])).toEqual(result(1));
  });
});

it("loads and forgets scripts", async () => {
  const { body } = await post("/", ["SCRIPT", "LOAD", "return 'DEBUG'"]);
  expect(await post("/", ["EVALSHA", (body as { result: string }).result, 0])).toEqual(result("DEBUG"));
  expect(await post("/", ["script", "flush"])).toEqual(result("OK"));
});

it("reads streams without blocking, whatever their names", async () => {
  await post("/", ["XADD", "BLOCK", "1-1", "field", "value"]);
  const stream = ["BLOCK", [["1-1", ["field", "value"]]]];
  expect(await post("/", ["XREAD", "COUNT", 1, "STREAMS", "BLOCK", "0"])).toEqual(result([stream]));
});

it("has three paths and one method", async () => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  expect((await fetch(`${url}/get/k`, { method: "POST", headers })).status).toBe(404);
  const response = await fetch(url, { headers });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
});

it("stops reading a body that is too large", async () => {
  const head = `POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n`;
  const announced = openSocket(Number(new URL(url).port), "127.0.0.1");
  announced.write(`${head}content-length: ${2 ** 30}\r\n\r\n`);
  const chunked = openSocket(Number(new URL(url).port), "127.0.0.1");
  chunked.on("error", () => undefined);
  chunked.write(`${head}transfer-encoding: chunked\r\n\r\n`);
  for (let n = 0; n < 17; n++) chunked.write(`100000\r\n${" ".repeat(0x100000)}\r\n`);
  for (const socket of [announced, chunked]) {
    let response = "";
    socket.on("data", (chunk) => {
      response += chunk;
    });
    await once(socket, "close");
    expect(response).toMatch(/^HTTP\/1.1 413 .*\{"error":".*16777216 bytes/s);
  }
});

it("logs no error if a caller disconnects in the middle of its body", async () => {
  const log = vi.spyOn(console, "error").mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());
  const socket = openSocket(Number(new URL(url).port), "127.0.0.1");
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-length: 99\r\n\r\n["PING"`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  socket.resetAndDestroy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await post("/", ["PING"])).toEqual(result("PONG"));
  expect(log).not.toHaveBeenCalled();
});

it("keeps idle connections longer than a minute", async () => {
  const response = await fetch(url, { method: "POST" });
  const seconds = /timeout=(\d+)/.exec(response.headers.get("keep-alive") ?? "")?.[1];
  expect(Number(seconds)).toBeGreaterThan(90);
});

describe("when Redis stops", () => {
  it("responds with 503 at once, works again after a restart, and logs each once", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const log = vi.spyOn(console, "log").mockReturnValue();
    onTestFinished(() => void vi.restoreAllMocks());
    const folder = await mkdtemp(join(tmpdir(), "memx-redis-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const args = ["--dir", folder, "--appendonly", "yes", "--appendfsync", "always"];
    let server = await startRedisServer({ args });
    onTestFinished(() => server.stop());
    const bridge = await openBridge({ redisUrl: server.url });
    onTestFinished(() => bridge.close());
    const call = (path: string, body: unknown) => post(path, body, {}, bridge.url);

    expect(await call("/", ["SET", "k", "kept"])).toEqual(result("OK"));
    const sleeping = call("/", ["EVAL", "while true do end", 0]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    // More than fits into the socket's buffer, so that a part is lost and a part is never sent.
    const large = Array.from({ length: 10 }, (_, n) => ["SET", "k", String(n).repeat(2 ** 20)]);
    const waiting = [call("/pipeline", [["GET", "k"]]), call("/multi-exec", large)];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const killedAt = performance.now();
    await server.stop("SIGKILL");
    for (const response of await Promise.all([sleeping, ...waiting])) {
      expect(response).toEqual(error(503, expect.stringContaining("may have executed")));
    }
    for (const [path, body] of [
      ["/", ["GET", "k"]],
      ["/pipeline", [["PING"]]],
      ["/multi-exec", [["PING"]]],
    ] as const) {
      expect(await call(path, body)).toEqual(error(503, "Redis is not reachable."));
    }
    // Without waiting for the deadline.
    expect(performance.now() - killedAt).toBeLessThan(9_000);

    // Long enough for several attempts to connect.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    server = await startRedisServer({ args, port: server.port });
    await expect.poll(() => call("/", ["GET", "k"])).toEqual(result("kept"));
    expect(await call("/multi-exec", [["GET", "k"]])).toEqual({ status: 200, body: [{ result: "kept" }] });
    expect(warn.mock.calls).toEqual([[expect.stringContaining("is lost")]]);
    expect(log.mock.calls).toEqual([[expect.stringContaining("Reconnected")]]);
  });
});

describe("when the network to Redis drops every packet", () => {
  it("responds with 503 after its time limit, and continues on another connection", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const log = vi.spyOn(console, "log").mockReturnValue();
    onTestFinished(() => void vi.restoreAllMocks());
    const ways: { client: Socket; server: Socket }[] = [];
    const proxy = createServer((client) => {
      const server = openSocket(redis.port, "127.0.0.1");
      for (const socket of [client, server]) socket.on("error", () => undefined);
      client.pipe(server).pipe(client);
      ways.push({ client, server });
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    onTestFinished(() => {
      proxy.close();
      for (const { client, server } of ways) for (const socket of [client, server]) socket.destroy();
    });
    const { port } = proxy.address() as { port: number };
    const redisUrl = `redis://127.0.0.1:${port}`;
    const bridge = await openBridge({ redisUrl, timeoutMs: 2_000 });
    onTestFinished(() => bridge.close());
    const call = () => post("/", ["PING"], {}, bridge.url);

    expect(await call()).toEqual(result("PONG"));
    const [{ client, server }] = ways as [{ client: Socket; server: Socket }];
    client.unpipe(server).resume();
    // Callers that do not wait for each other. None of them may delay the timeout.
    const calls = [call()];
    const caller = setInterval(() => calls.push(call()), 200);
    onTestFinished(() => clearInterval(caller));
    expect(await calls[0]).toEqual(error(503, expect.stringContaining("may have executed")));
    clearInterval(caller);
    await expect.poll(call).toEqual(result("PONG"));
    await Promise.all(calls);
    expect(ways).toHaveLength(2);
    expect(warn.mock.calls).toEqual([[expect.stringContaining("is lost (no reply)")]]);
    expect(log.mock.calls).toEqual([[expect.stringContaining("Reconnected")]]);
  });
});

it.each([
  ["redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"],
  ["rediss://me:s3cret@redis.example?x=s3cret#s3cret", "rediss://redis.example"],
  ["redis://[::1]:6379", "redis://[::1]:6379"],
  ["redis://:s3@cret@127.0.0.1", "redis://127.0.0.1"],
  ["redis:s3cret@127.0.0.1", null],
  ["redis://s3/cret@127.0.0.1", null],
  ["redis://s3?cret@127.0.0.1", null],
  ["redis://s3#cret@127.0.0.1", null],
  ["redis://:s3cret@", null],
  ["redis://127.0.0.1/s3cret", "redis://127.0.0.1"],
  ["me:s3cret@127.0.0.1", null],
  ["https://me:s3cret@redis.example", null],
  ["s3cret", null],
  ["", null],
])("shows no secret of %j", (redisUrl, shown) => {
  expect(withoutPassword(redisUrl)).toBe(shown ?? "the address in REDIS_URL");
});

describe("close", () => {
  it("finishes requests in flight, and does not wait for idle connections", async () => {
    const bridge = await openBridge({ redisUrl: redis.url });
    // One connection that has sent nothing, and one that fetch keeps open.
    const silent = openSocket(Number(new URL(bridge.url).port), "127.0.0.1");
    await once(silent, "connect");
    await post("/", ["PING"], {}, bridge.url);
    const slow = `
      local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
      local start = now()
      while now() - start < 1500 do end
      return 'done'`;
    const inFlight = post("/", ["EVAL", slow, 0], {}, bridge.url);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closingAt = performance.now();
    await bridge.close();
    expect(performance.now() - closingAt).toBeGreaterThan(50);
    expect(performance.now() - closingAt).toBeLessThan(9_000);
    expect(await inFlight).toEqual(result("done"));
    if (!silent.closed) await once(silent, "close");
    await expect(post("/", ["PING"], {}, bridge.url)).rejects.toThrow();
  });

  it("closes its connection to Redis", async () => {
    const clients = async () => {
      const { body } = await post("/", ["INFO", "clients"]);
      return /connected_clients:(\d+)/.exec((body as { result: string }).result)?.[1];
    };
    const before = await clients();
    const bridge = await openBridge({ redisUrl: redis.url });
    expect(await clients()).not.toBe(before);
    await bridge.close();
    await expect.poll(clients).toBe(before);
  });
});

describe("without a usable Redis", () => {
  async function refusal(redisUrl: string): Promise<string> {
    const reason = await startRedisBridge({ redisUrl, token: TOKEN, port: 0 }).then(
      async (bridge) => {
        await bridge.close();
        return "it started";
      },
      (error: Error) => error.message,
    );
    expect(reason).not.toContain("s3cret");
    return reason;
  }

  it("says how to start one if there is none", async () => {
    const port = await freePort();
    expect(await refusal(`redis://:s3cret@127.0.0.1:${port}/0`)).toBe(
      `No Redis responds at redis://127.0.0.1:${port}/0. Start one with redis-server ` +
        "(Debian: apt-get install redis-server), or set REDIS_URL.",
    );
  });

  it("says that the password is missing or wrong, and accepts the right one", async () => {
    const server = await startRedisServer({ args: ["--requirepass", "right/one"] });
    onTestFinished(() => server.stop());
    expect(await refusal(server.url)).toMatch(/refused the connection: NOAUTH .*REDIS_URL/);
    expect(await refusal(`redis://:s3cret@127.0.0.1:${server.port}`)).toMatch(
      /refused the connection: WRONGPASS .*REDIS_URL/,
    );
    const redisUrl = `redis://:right%2Fone@127.0.0.1:${server.port}`;
    const bridge = await startRedisBridge({ redisUrl, token: TOKEN, port: 0 });
    onTestFinished(() => bridge.close());
    expect(await post("/", ["PING"], {}, bridge.url)).toEqual(result("PONG"));
  });

  it("says that a database does not exist", async () => {
    expect(await refusal(`${redis.url}/99`)).toMatch(
      /refused the connection: ERR DB index is out of range\. .*REDIS_URL/,
    );
  });

  it.each(["http://:s3cret@x", "redis:s3cret@x", "redis://:s3/cret@x:y", "s3cret", "redis://:s3cret%@x"])(
    "says that %s is not an address",
    async (text) => {
      expect(await refusal(text)).toContain("REDIS_URL must be the address of a Redis");
    },
  );

  it.each([
    ["speaks another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", /No Redis responds/],
    ["is too old", (info: string) => `$${info.length}\r\n${info}\r\n`, /version 6\.2\.14\. memX needs 7 or later/],
  ])("says so if the server %s", async (_, reply, expected) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data) => {
        if (typeof reply === "string") socket.end(reply);
        else if (String(data).includes("INFO\r\n")) socket.write(reply("# Server\r\nredis_version:6.2.14\r\n"));
        for (const _ of String(data).matchAll(/SETINFO/g)) socket.write("-ERR unknown subcommand\r\n");
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    expect(await refusal(`redis://127.0.0.1:${port}`)).toMatch(expected);
  });

  it("warns if Redis may delete data", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    onTestFinished(() => void vi.restoreAllMocks());
    const server = await startRedisServer({ args: ["--maxmemory-policy", "allkeys-lru"] });
    onTestFinished(() => server.stop());
    const bridge = await openBridge({ redisUrl: server.url });
    await bridge.close();
    expect(warn.mock.calls).toEqual([[expect.stringContaining("maxmemory-policy allkeys-lru")]]);
  });
});
