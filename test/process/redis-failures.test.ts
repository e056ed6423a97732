// Redis, its bridge and the way there fail in each way that they can: memX says so in time and without telling secrets,
// loses nothing that it has acknowledged, and goes on by itself. memX is on workerd, the Redis is a real one.

import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "redis";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { freePort } from "../support/free-port.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { dataFolder, killGroup, PATIENT_MS } from "./support/dev-server.ts";
import { type FailingProxy, type Fault, type HttpAnswer, startFailingProxy } from "./support/failing-proxy.ts";
import { newDisk, startWorkerd, type Workerd } from "./support/workerd.ts";

const TOKEN = "token-that-nobody-may-read";
const VALUE = "value-that-nobody-may-read";
const MAX_ELAPSED_MS = 5_000;
/** For tests in which Redis does not reply. A response takes 2.25 times as long at most. */
const IMPATIENT_MS = "2000";

let redisPort: number;
let bridgePort: number;
let redis: RedisServer;
let bridge: RedisBridge;
let proxy: FailingProxy;
/** Reaches Redis by way of the proxy and the bridge. */
let memx: Workerd;
let acknowledged: Acknowledged[];

beforeEach(async () => {
  // The bridge tells whoever runs it that Redis is gone, and back.
  for (const method of ["log", "warn"] as const) vi.spyOn(console, method).mockImplementation(() => undefined);
  redisPort = await freePort();
  await startRedis();
  bridgePort = await freePort();
  await startBridge();
  proxy = await startFailingProxy(bridge.url);
  memx = await startMemx(proxy.url);
  acknowledged = [];
});

afterEach(async () => {
  await proxy?.close();
  await bridge?.close();
  await redis?.stop("SIGKILL");
  vi.restoreAllMocks();
});

/** On the data of the one before. */
async function startRedis(): Promise<void> {
  const args = ["--appendonly", "yes", "--appendfsync", "always", "--dir", dataFolder()];
  redis = await startRedisServer({ port: redisPort, args });
}

async function startBridge(): Promise<void> {
  bridge = await startRedisBridge({ redisUrl: redis.url, token: TOKEN, port: bridgePort });
}

function startMemx(
  url: string,
  { token = TOKEN, timeoutMs = PATIENT_MS }: { token?: string; timeoutMs?: string } = {},
): Promise<Workerd> {
  const bindings = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, STORE_TIMEOUT_MS: timeoutMs };
  return startWorkerd({ bindings });
}

/** Past the bridge, which refuses some of them. */
async function command(...args: string[]): Promise<void> {
  const client = createClient({ url: redis.url });
  await client.connect();
  await client.sendCommand(args);
  client.destroy();
}

type Answer = { readonly status: number; readonly headers: Headers; readonly text: string; readonly elapsedMs: number };

async function ask(
  method: string,
  path: string,
  { body, id }: { body?: unknown; id?: string | undefined } = {},
): Promise<Answer> {
  const began = performance.now();
  const response = await fetch(memx.url + path, {
    method,
    headers: {
      "x-api-key": "local_dev_key",
      "content-type": "application/json",
      ...(id && { "idempotency-key": id }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, elapsedMs: performance.now() - began };
}

/** Asks for a subscription, and answers as HTTP does: 101 if it was granted. */
async function handshake(key: string): Promise<Answer> {
  const began = performance.now();
  const request = httpRequest(`${memx.url}/subscribe/${key}`, {
    headers: {
      "x-api-key": "local_dev_key",
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  });
  request.end();
  const [response] = await Promise.race([once(request, "upgrade"), once(request, "response")]);
  let text = "";
  if (response.statusCode === 101) response.socket.destroy();
  else for await (const chunk of response) text += chunk;
  const headers = new Headers(response.headers);
  return { status: response.statusCode, headers, text, elapsedMs: performance.now() - began };
}

type Acknowledged = { readonly key: string; readonly value: string; readonly revision: number };

let keys = 0;
const freshKey = () => `key-${++keys}`;

/** Writes a key of its own, and remembers it if memX says that it is written. */
async function setFreshKey(id?: string): Promise<Answer> {
  const key = freshKey();
  const value = `${VALUE} of ${key}`;
  const answer = await ask("POST", "/set", { body: { key, value }, id });
  if (answer.status === 200) acknowledged.push({ key, value, revision: JSON.parse(answer.text).revision });
  return answer;
}

function get(key: string): Promise<Answer> {
  return ask("GET", `/get?key=${key}`);
}

async function works(call: Promise<Answer>): Promise<{ revision: number }> {
  const { status, text } = await call;
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

async function everythingAcknowledgedIsThere(): Promise<void> {
  expect(acknowledged.length).toBeGreaterThan(0);
  for (const { key, value, revision } of acknowledged) {
    expect(JSON.parse((await get(key)).text), key).toMatchObject({ value, revision });
  }
  expect(new Set(acknowledged.map(({ revision }) => revision)).size).toBe(acknowledged.length);
}

const wordsOfRedis =
  /evalsha|eval\b|hmget|hget|hset|xadd|\bping\b|script|redis|upstash|\bERR\b|noscript|oom\b|memory|readonly|read only|replica|wrongpass|token|bridge|ECONN|reachable|network|abort|timeout|json|undefined|127\.0\.0\.1/i;

function tellsThatTheStoreIsUnavailable(answer: Answer): void {
  expect(answer.status, answer.text).toBe(503);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect(JSON.parse(answer.text)).toMatchObject({ status: 503, code: "store_unavailable" });
  expect(answer.text).not.toContain(VALUE);
  expect(answer.text).not.toContain(TOKEN);
  expect(answer.text).not.toMatch(wordsOfRedis);
  expect(answer.elapsedMs).toBeLessThan(MAX_ELAPSED_MS);
}

function logKeepsSecrets(server: Workerd): void {
  expect(server.output()).toContain("store_unavailable");
  expect(server.output()).not.toContain(VALUE);
  expect(server.output()).not.toContain(TOKEN);
}

/** Until memX is back, which it has to be without a restart; writes it refuses meanwhile are not its own to lose. */
async function recovers(): Promise<void> {
  await expect.poll(async () => (await setFreshKey()).status, { timeout: 10_000, interval: 50 }).toBe(200);
}

const middleOfBody = ({ headBytes, totalBytes }: HttpAnswer) => (headBytes + totalBytes) >> 1;

const faults: Record<string, { begin: () => unknown; end: () => unknown; reads?: "answered"; hangs?: true }> = {
  "Redis is stopped": { begin: () => redis.stop(), end: startRedis },
  "Redis is busy for longer than memX waits": {
    begin: () => command("CLIENT", "PAUSE", "3500", "ALL"),
    end: () => undefined,
    hangs: true,
  },
  "Redis is out of memory": {
    begin: () => command("CONFIG", "SET", "maxmemory", "1"),
    end: () => command("CONFIG", "SET", "maxmemory", "0"),
    reads: "answered",
  },
  "Redis has become a replica, which is read-only": {
    begin: () => command("REPLICAOF", "127.0.0.1", "1"),
    end: () => command("REPLICAOF", "NO", "ONE"),
    reads: "answered",
  },
  "the bridge takes requests and never answers": { ...onTheWay("swallow"), hangs: true },
  "the bridge stops in the middle of its answers": {
    ...onTheWay({ bytes: middleOfBody, ending: "stall" }),
    hangs: true,
  },
  "the connection is closed before each answer": onTheWay({ bytes: () => 0, ending: "close" }),
  "the connection is reset in the middle of each answer": onTheWay({ bytes: middleOfBody, ending: "reset" }),
};

function onTheWay(fault: Fault) {
  return { begin: () => (proxy.fault = fault), end: () => (proxy.fault = undefined) };
}

describe.each(Object.entries(faults))("while %s", (_, { begin, end, reads, hangs }) => {
  it(`answers ${reads ? "writes and subscriptions" : "everything"} with 503, tells no secret, and loses nothing`, async () => {
    if (hangs) memx = await startMemx(proxy.url, { timeoutMs: IMPATIENT_MS });
    for (let n = 0; n < 5; n++) await works(setFreshKey());
    const [{ key, value, revision }] = acknowledged as [Acknowledged];

    await begin();
    const written = [
      setFreshKey(),
      setFreshKey(crypto.randomUUID()),
      ask("POST", "/schema", { body: { key: freshKey(), schema: { title: VALUE } } }),
      handshake(freshKey()),
    ];
    const read = [get(key), ...(reads ? [] : [ask("GET", `/schema?key=${key}`), ask("GET", "/health")])];
    for (const answer of await Promise.all(written)) tellsThatTheStoreIsUnavailable(answer);
    for (const answer of await Promise.all(read)) {
      if (reads) expect(JSON.parse(answer.text)).toMatchObject({ value, revision });
      else tellsThatTheStoreIsUnavailable(answer);
    }

    await end();
    await recovers();
    await everythingAcknowledgedIsThere();
    expect((await handshake(key)).status).toBe(101);
    logKeepsSecrets(memx);
  });
});

it("answers 503 while no bridge listens, and works when there is one", async () => {
  memx = await startMemx(bridge.url);
  await works(setFreshKey());
  const [{ key }] = acknowledged as [Acknowledged];

  await bridge.close();
  const calls = [setFreshKey(), get(key), handshake(key), ask("GET", "/health")];
  for (const answer of await Promise.all(calls)) tellsThatTheStoreIsUnavailable(answer);

  await startBridge();
  await recovers();
  await everythingAcknowledgedIsThere();
  expect((await handshake(key)).status).toBe(101);
  logKeepsSecrets(memx);
});

it("answers each of several subscribers of one key in time while Redis says nothing", async () => {
  memx = await startMemx(proxy.url, { timeoutMs: IMPATIENT_MS });
  proxy.fault = "swallow";
  const answers = await Promise.all(Array.from({ length: 4 }, () => handshake("shared")));
  for (const answer of answers) tellsThatTheStoreIsUnavailable(answer);

  proxy.fault = undefined;
  expect((await handshake("shared")).status).toBe(101);
});

it("answers in time however many calls of Redis an answer takes, while each takes almost as long as it may", async () => {
  const key = freshKey();
  await works(ask("POST", "/schema", { body: { key, schema: { type: "number" } } }));
  // Another one, that does not know the schema yet.
  memx = await startMemx(proxy.url, { timeoutMs: IMPATIENT_MS });
  await works(setFreshKey());

  proxy.fault = { delayMs: 1_900 };
  const { status, text, elapsedMs } = await ask("POST", "/set", {
    body: { key, value: VALUE },
    id: crypto.randomUUID(),
  });
  expect([400, 503], text).toContain(status);
  expect(elapsedMs).toBeLessThan(MAX_ELAPSED_MS);
});

it("waits for Redis as long as STORE_TIMEOUT_MS allows", async () => {
  const key = freshKey();
  const patient = memx;
  const impatient = await startMemx(proxy.url, { timeoutMs: "300" });
  // More than the default.
  proxy.fault = { delayMs: 2_500 };
  await works(ask("POST", "/set", { body: { key, value: VALUE } }));
  memx = impatient;
  for (const answer of await Promise.all([setFreshKey(), get(key), handshake(key)])) {
    tellsThatTheStoreIsUnavailable(answer);
    expect(answer.elapsedMs).toBeLessThan(2_000);
  }
  memx = patient;
  await works(get(key));
});

it("answers 503 where the address is that of another web server", async () => {
  let answer: { status: number; body: string };
  const server = createServer((_, response) => void response.writeHead(answer.status).end(answer.body));
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  memx = await startMemx(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  for (const status of [200, 404, 502]) {
    for (const body of ["<h1>Welcome</h1>", "", "{}", '"OK"', "null"]) {
      answer = { status, body };
      for (const asked of await Promise.all([setFreshKey(), get("a"), handshake("a")])) {
        tellsThatTheStoreIsUnavailable(asked);
      }
    }
  }
  logKeepsSecrets(memx);
});

it("sets at once after Redis has forgotten its scripts", async () => {
  await works(setFreshKey());
  await command("SCRIPT", "FLUSH");
  await works(setFreshKey());
  await everythingAcknowledgedIsThere();
});

it("applies every write once that its client repeats across a crash of Redis", async () => {
  const WRITERS = 4;
  let stopped = false;
  const refused: Answer[] = [];
  const write = async () => {
    while (!stopped) {
      const key = freshKey();
      const value = `${VALUE} of ${key}`;
      const id = crypto.randomUUID();
      const repeat = () => ask("POST", "/set", { body: { key, value }, id });
      let answer = await repeat();
      for (; answer.status !== 200; answer = await repeat()) {
        refused.push(answer);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      acknowledged.push({ key, value, revision: JSON.parse(answer.text).revision });
    }
  };
  const writers = Promise.all(Array.from({ length: WRITERS }, write));
  const acknowledges = async (count: number) => {
    const goal = acknowledged.length + count;
    await expect.poll(() => acknowledged.length, { timeout: 15_000, interval: 5 }).toBeGreaterThan(goal);
  };

  await acknowledges(50);
  await redis.stop("SIGKILL");
  await expect.poll(() => refused.length, { timeout: 10_000 }).toBeGreaterThan(WRITERS);
  // With an empty script cache, and with its data.
  await startRedis();
  await acknowledges(50);
  stopped = true;
  await writers;

  for (const answer of refused) tellsThatTheStoreIsUnavailable(answer);
  await everythingAcknowledgedIsThere();
  const revisions = acknowledged.map(({ revision }) => revision).sort((a, b) => a - b);
  expect(revisions).toEqual(revisions.map((_, index) => (revisions[0] ?? 0) + index));
  logKeepsSecrets(memx);
});

describe("a write whose answer was cut off", () => {
  const places: [string, (answer: HttpAnswer) => number][] = [
    ["before its first byte", () => 0],
    ["in its first line", () => 9],
    ["in its headers", ({ headBytes }) => headBytes >> 1],
    ["after its headers", ({ headBytes }) => headBytes],
    ["in its body", middleOfBody],
    ["before its last byte", ({ totalBytes }) => totalBytes - 1],
  ];
  const cuts = places.flatMap(([place, bytes]) =>
    (["close", "reset"] as const).map((ending) => ({ place: `${place}, by a ${ending}`, fault: { bytes, ending } })),
  );

  const set = (key: string, id?: string) => ask("POST", "/set", { body: { key, value: VALUE }, id });
  const setSchema = (key: string, id?: string) =>
    ask("POST", "/schema", { body: { key, schema: { title: VALUE } }, id });
  const deleteSchema = (key: string, id?: string) => ask("DELETE", `/schema?key=${key}`, { id });
  const getSchema = (key: string) => ask("GET", `/schema?key=${key}`);

  it.each([
    ["POST /set", { write: set, next: set, read: get, found: 200 }],
    ["POST /schema", { write: setSchema, next: setSchema, read: getSchema, found: 200 }],
    ["DELETE /schema", { write: deleteSchema, next: setSchema, read: getSchema, found: 404 }],
  ])("is applied once when it is repeated with its Idempotency-Key: %s", async (_, { write, next, read, found }) => {
    const key = freshKey();
    // So that Redis knows the script, and its first answer to a write is that of the write.
    let { revision } = await works(next(key));
    for (const { place, fault } of cuts) {
      const id = crypto.randomUUID();
      proxy.fault = fault;
      tellsThatTheStoreIsUnavailable(await write(key, id));
      proxy.fault = undefined;

      // It was applied before its answer was cut, and nothing else writes here.
      revision++;
      expect(await works(write(key, id)), place).toMatchObject({ revision });
      const { status, text } = await read(key);
      expect(status, place).toBe(found);
      if (found === 200) expect(JSON.parse(text), place).toMatchObject({ revision });
      revision++;
      expect(await works(next(key)), place).toMatchObject({ revision });
    }
    logKeepsSecrets(memx);
  });

  it("is not sent to Redis a second time by memX itself", async () => {
    const key = freshKey();
    let { revision } = await works(set(key));
    for (const { place, fault } of cuts) {
      proxy.fault = fault;
      tellsThatTheStoreIsUnavailable(await set(key));
      proxy.fault = undefined;
      revision += 2;
      expect(await works(set(key)), place).toMatchObject({ revision });
    }
  });
});

it("answers 503 when the bridge refuses its token", async () => {
  memx = await startMemx(bridge.url, { token: `${TOKEN}-of-yesterday` });
  const calls = [setFreshKey(), get("a"), handshake("a"), ask("GET", "/health")];
  for (const answer of await Promise.all(calls)) tellsThatTheStoreIsUnavailable(answer);
  expect(acknowledged).toEqual([]);
  logKeepsSecrets(memx);
});

it("takes an address and a token that end in a line break, as those from a file do", async () => {
  memx = await startMemx(`${bridge.url}\n`, { token: `${TOKEN}\n` });
  await works(setFreshKey());
  await everythingAcknowledgedIsThere();
});

it.each<[string, Record<string, string>]>([
  ["the URL alone", { UPSTASH_REDIS_REST_URL: "http://127.0.0.1:8079" }],
  ["the token alone", { UPSTASH_REDIS_REST_TOKEN: TOKEN }],
  ["a URL that is none", { UPSTASH_REDIS_REST_URL: "my-redis", UPSTASH_REDIS_REST_TOKEN: TOKEN }],
  [
    "an address of another protocol",
    { UPSTASH_REDIS_REST_URL: `redis://default:${TOKEN}@127.0.0.1`, UPSTASH_REDIS_REST_TOKEN: TOKEN },
  ],
  [
    "a password in the address",
    { UPSTASH_REDIS_REST_URL: `https://:${TOKEN}@127.0.0.1`, UPSTASH_REDIS_REST_TOKEN: TOKEN },
  ],
])("says what to set, and uses no other store, with %s", async (_, bindings) => {
  const disk = newDisk();
  memx = await startWorkerd({ disk });
  await works(setFreshKey());
  const [{ key, revision }] = acknowledged as [Acknowledged];
  await end(memx);

  memx = await startWorkerd({ disk, bindings });
  const schema = `/schema?key=${key}`;
  const answers = await Promise.all([
    setFreshKey(),
    get(key),
    ask("POST", "/schema", { body: { key, schema: {} } }),
    ask("GET", schema),
    ask("DELETE", schema),
    ask("GET", "/health"),
    handshake(key),
  ]);
  for (const { status, headers, text, elapsedMs } of answers) {
    expect(status, text).toBe(503);
    expect(headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(JSON.parse(text)).toMatchObject({ code: "store_unavailable" });
    expect(text).not.toContain(TOKEN);
    expect(elapsedMs).toBeLessThan(MAX_ELAPSED_MS);
  }
  for (const { text } of answers) expect(JSON.parse(text).detail).toContain("UPSTASH_REDIS_REST_URL");
  expect(memx.output()).not.toContain(TOKEN);
  expect(memx.output()).not.toContain(VALUE);
  await end(memx);

  // The embedded store has what it had, and nothing more: its next revision is the one after.
  memx = await startWorkerd({ disk });
  await everythingAcknowledgedIsThere();
  expect((await works(setFreshKey())).revision).toBe(revision + 1);
});

async function end({ process }: Workerd): Promise<void> {
  const ended = once(process, "exit");
  killGroup(process.pid);
  await ended;
}
