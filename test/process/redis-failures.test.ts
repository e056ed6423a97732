// Redis, its bridge and the network fail in every way they can. memX reports that in time and without secrets, loses no
// acknowledged write, and recovers by itself. memX runs on workerd, with a real Redis.

import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "redis";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { freePort } from "../support/free-port.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { dataFolder, killGroup, PATIENT_MS } from "./support/dev-server.ts";
import { type FailingProxy, type Fault, type HttpResponse, startFailingProxy } from "./support/failing-proxy.ts";
import { newDisk, startWorkerd, type Workerd } from "./support/workerd.ts";

const TOKEN = "token-that-nobody-may-read";
const VALUE = "value-that-nobody-may-read";
/** A response takes 5 s at most; the rest is for a busy machine. */
const MAX_ELAPSED_MS = 5_000 + 15_000;
/** For tests in which Redis does not reply. A response takes at most 2.25 times as long. */
const IMPATIENT_MS = "2000";

let redisPort: number;
let bridgePort: number;
let redis: RedisServer;
let bridge: RedisBridge;
let proxy: FailingProxy;
/** Reaches Redis through the proxy and the bridge. */
let memx: Workerd;
let acknowledged: Acknowledged[];

beforeEach(async () => {
  // The bridge logs that it lost Redis and that it reconnected.
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

/** Starts Redis on the data of the previous one. */
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

/** Sends a command to Redis directly, because the bridge refuses some. */
async function command(...args: string[]): Promise<void> {
  const client = createClient({ url: redis.url });
  await client.connect();
  await client.sendCommand(args);
  client.destroy();
}

type TimedResponse = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly elapsedMs: number;
};

async function send(
  method: string,
  path: string,
  { body, id }: { body?: unknown; id?: string | undefined } = {},
): Promise<TimedResponse> {
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

/** Requests a subscription, and returns the HTTP response: 101 if memX accepts it. */
async function handshake(key: string): Promise<TimedResponse> {
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

/** Writes a new key, and remembers the write if memX acknowledges it. */
async function setFreshKey(id?: string): Promise<TimedResponse> {
  const key = freshKey();
  const value = `${VALUE} of ${key}`;
  const response = await send("POST", "/set", { body: { key, value }, id });
  if (response.status === 200) acknowledged.push({ key, value, revision: JSON.parse(response.text).revision });
  return response;
}

function get(key: string): Promise<TimedResponse> {
  return send("GET", `/get?key=${key}`);
}

async function succeeds(call: Promise<TimedResponse>): Promise<{ revision: number }> {
  const { status, text } = await call;
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

async function expectAcknowledged(): Promise<void> {
  expect(acknowledged.length).toBeGreaterThan(0);
  for (const { key, value, revision } of acknowledged) {
    expect(JSON.parse((await get(key)).text), key).toMatchObject({ value, revision });
  }
  expect(new Set(acknowledged.map(({ revision }) => revision)).size).toBe(acknowledged.length);
}

const WORDS_OF_REDIS =
  /evalsha|eval\b|hmget|hget|hset|xadd|\bping\b|script|redis|upstash|\bERR\b|noscript|oom\b|memory|readonly|read only|replica|wrongpass|token|bridge|ECONN|reachable|network|abort|timeout|json|undefined|127\.0\.0\.1/i;

function expectStoreUnavailable(response: TimedResponse): void {
  expect(response.status, response.text).toBe(503);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect(JSON.parse(response.text)).toMatchObject({ status: 503, code: "store_unavailable" });
  expect(response.text).not.toContain(VALUE);
  expect(response.text).not.toContain(TOKEN);
  expect(response.text).not.toMatch(WORDS_OF_REDIS);
  expect(response.elapsedMs).toBeLessThan(MAX_ELAPSED_MS);
}

function expectNoSecretsInLog(server: Workerd): void {
  expect(server.output()).toContain("store_unavailable");
  expect(server.output()).not.toContain(VALUE);
  expect(server.output()).not.toContain(TOKEN);
}

/** Waits until memX works again without a restart. Writes that it refuses meanwhile are not acknowledged. */
async function recovers(): Promise<void> {
  await expect.poll(async () => (await setFreshKey()).status, { interval: 50 }).toBe(200);
}

const middleOfBody = ({ headBytes, totalBytes }: HttpResponse) => (headBytes + totalBytes) >> 1;

const faults: Record<string, { begin: () => unknown; end: () => unknown; readsWork?: true; hangs?: true }> = {
  "Redis is stopped": { begin: () => redis.stop(), end: startRedis },
  "Redis is busy for longer than memX waits": {
    begin: () => command("CLIENT", "PAUSE", "6000", "ALL"),
    end: () => undefined,
    hangs: true,
  },
  "Redis has become a replica, which is read-only": {
    begin: () => command("REPLICAOF", "127.0.0.1", "1"),
    end: () => command("REPLICAOF", "NO", "ONE"),
    readsWork: true,
  },
  "the bridge accepts requests and never responds": { ...onTheNetwork("swallow"), hangs: true },
  "the bridge stops in the middle of its responses": {
    ...onTheNetwork({ bytes: middleOfBody, ending: "stall" }),
    hangs: true,
  },
  "the connection closes before each response": onTheNetwork({ bytes: () => 0, ending: "close" }),
  "the connection is reset in the middle of each response": onTheNetwork({ bytes: middleOfBody, ending: "reset" }),
};

function onTheNetwork(fault: Fault) {
  return { begin: () => (proxy.fault = fault), end: () => (proxy.fault = undefined) };
}

describe.each(Object.entries(faults))("while %s", (_, { begin, end, readsWork, hangs }) => {
  it(`responds to ${readsWork ? "writes and subscriptions" : "everything"} with 503, reveals no secret and loses nothing`, async () => {
    if (hangs) memx = await startMemx(proxy.url, { timeoutMs: IMPATIENT_MS });
    for (let n = 0; n < 5; n++) await succeeds(setFreshKey());
    const [{ key, value, revision }] = acknowledged as [Acknowledged];

    await begin();
    const written = [
      setFreshKey(),
      setFreshKey(crypto.randomUUID()),
      send("POST", "/schema", { body: { key: freshKey(), schema: { title: VALUE } } }),
      handshake(freshKey()),
      send("GET", "/health?ready"),
    ];
    const read = [get(key), ...(readsWork ? [] : [send("GET", `/schema?key=${key}`), send("GET", "/health")])];
    for (const response of await Promise.all(written)) expectStoreUnavailable(response);
    for (const response of await Promise.all(read)) {
      if (readsWork) expect(JSON.parse(response.text)).toMatchObject({ value, revision });
      else expectStoreUnavailable(response);
    }

    await end();
    await recovers();
    await expectAcknowledged();
    expect((await handshake(key)).status).toBe(101);
    expectNoSecretsInLog(memx);
  });
});

it("responds with 503 while no bridge listens, and works when one does", async () => {
  memx = await startMemx(bridge.url);
  await succeeds(setFreshKey());
  const [{ key }] = acknowledged as [Acknowledged];

  await bridge.close();
  const calls = [setFreshKey(), get(key), handshake(key), send("GET", "/health")];
  for (const response of await Promise.all(calls)) expectStoreUnavailable(response);

  await startBridge();
  await recovers();
  await expectAcknowledged();
  expect((await handshake(key)).status).toBe(101);
  expectNoSecretsInLog(memx);
});

it("responds in time to each of several subscribers of one key while Redis does not reply", async () => {
  memx = await startMemx(proxy.url, { timeoutMs: IMPATIENT_MS });
  proxy.fault = "swallow";
  const responses = await Promise.all(Array.from({ length: 4 }, () => handshake("shared")));
  for (const response of responses) expectStoreUnavailable(response);

  proxy.fault = undefined;
  expect((await handshake("shared")).status).toBe(101);
});

it("responds in time if a response needs several calls of Redis that each take almost the maximum", async () => {
  const key = freshKey();
  await succeeds(send("POST", "/schema", { body: { key, schema: { type: "number" } } }));
  // A new memX, which does not know the schema yet.
  memx = await startMemx(proxy.url, { timeoutMs: IMPATIENT_MS });
  await succeeds(setFreshKey());

  proxy.fault = { delayMs: 1_900 };
  // Finding out that the schema forbids the value takes three calls of Redis, and so longer than a response may take.
  expectStoreUnavailable(await send("POST", "/set", { body: { key, value: VALUE }, id: crypto.randomUUID() }));
});

it("waits for Redis as long as STORE_TIMEOUT_MS allows", async () => {
  const key = freshKey();
  const patient = memx;
  const impatient = await startMemx(proxy.url, { timeoutMs: "300" });
  // More than the default time limit.
  proxy.fault = { delayMs: 2_500 };
  await succeeds(send("POST", "/set", { body: { key, value: VALUE } }));
  memx = impatient;
  // Less than the default time limit.
  proxy.fault = { delayMs: 1_500 };
  for (const response of await Promise.all([setFreshKey(), get(key), handshake(key)])) {
    expectStoreUnavailable(response);
  }
  memx = patient;
  await succeeds(get(key));
});

it("responds with 503 if the address belongs to another web server", async () => {
  let reply: { status: number; body: string };
  const server = createServer((_, response) => void response.writeHead(reply.status).end(reply.body));
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  memx = await startMemx(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  for (const status of [200, 404, 502]) {
    for (const body of ["<h1>Welcome</h1>", "", "{}", '"OK"', "null"]) {
      reply = { status, body };
      for (const response of await Promise.all([setFreshKey(), get("a"), handshake("a")])) {
        expectStoreUnavailable(response);
      }
    }
  }
  expectNoSecretsInLog(memx);
});

it("writes at once after Redis has lost its scripts", async () => {
  await succeeds(setFreshKey());
  await command("SCRIPT", "FLUSH");
  await succeeds(setFreshKey());
  await expectAcknowledged();
});

it("applies every write once that a client repeats across a crash of Redis", async () => {
  const WRITERS = 4;
  let stopped = false;
  const refused: TimedResponse[] = [];
  const write = async () => {
    while (!stopped) {
      const key = freshKey();
      const value = `${VALUE} of ${key}`;
      const id = crypto.randomUUID();
      const repeat = () => send("POST", "/set", { body: { key, value }, id });
      let response = await repeat();
      for (; response.status !== 200; response = await repeat()) {
        refused.push(response);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      acknowledged.push({ key, value, revision: JSON.parse(response.text).revision });
    }
  };
  const writers = Promise.all(Array.from({ length: WRITERS }, write));
  const acknowledges = async (count: number) => {
    const goal = acknowledged.length + count;
    await expect.poll(() => acknowledged.length, { interval: 5 }).toBeGreaterThan(goal);
  };

  await acknowledges(50);
  await redis.stop("SIGKILL");
  await expect.poll(() => refused.length).toBeGreaterThan(WRITERS);
  // With its data, and with an empty script cache.
  await startRedis();
  await acknowledges(50);
  stopped = true;
  await writers;

  for (const response of refused) expectStoreUnavailable(response);
  await expectAcknowledged();
  const revisions = acknowledged.map(({ revision }) => revision).sort((a, b) => a - b);
  // No change is missing, except where the other run of Redis began to count.
  const afterGap = revisions.filter((revision, index) => index > 0 && revision !== (revisions[index - 1] ?? 0) + 1);
  expect(afterGap).toHaveLength(1);
  expectNoSecretsInLog(memx);
});

describe("a write whose response is cut off", () => {
  const places: [string, (response: HttpResponse) => number][] = [
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

  const set = (key: string, id?: string) => send("POST", "/set", { body: { key, value: VALUE }, id });
  const setSchema = (key: string, id?: string) =>
    send("POST", "/schema", { body: { key, schema: { title: VALUE } }, id });
  const deleteSchema = (key: string, id?: string) => send("DELETE", `/schema?key=${key}`, { id });
  const getSchema = (key: string) => send("GET", `/schema?key=${key}`);

  it.each([
    ["POST /set", { write: set, next: set, read: get, found: 200 }],
    ["POST /schema", { write: setSchema, next: setSchema, read: getSchema, found: 200 }],
    ["DELETE /schema", { write: deleteSchema, next: setSchema, read: getSchema, found: 404 }],
  ])(
    "is applied once if the client repeats it with its Idempotency-Key: %s",
    async (_, { write, next, read, found }) => {
      const key = freshKey();
      // Makes Redis load the script. Otherwise its first reply would be NOSCRIPT, before the write.
      let { revision } = await succeeds(next(key));
      for (const { place, fault } of cuts) {
        const id = crypto.randomUUID();
        proxy.fault = fault;
        expectStoreUnavailable(await write(key, id));
        proxy.fault = undefined;

        // Redis applied the write before the cut, and nothing else writes here.
        revision++;
        expect(await succeeds(write(key, id)), place).toMatchObject({ revision });
        const { status, text } = await read(key);
        expect(status, place).toBe(found);
        if (found === 200) expect(JSON.parse(text), place).toMatchObject({ revision });
        revision++;
        expect(await succeeds(next(key)), place).toMatchObject({ revision });
      }
      expectNoSecretsInLog(memx);
    },
  );

  it("is not repeated by memX itself", async () => {
    const key = freshKey();
    let { revision } = await succeeds(set(key));
    for (const { place, fault } of cuts) {
      proxy.fault = fault;
      expectStoreUnavailable(await set(key));
      proxy.fault = undefined;
      revision += 2;
      expect(await succeeds(set(key)), place).toMatchObject({ revision });
    }
  });
});

it("responds with 503 if the bridge refuses its token", async () => {
  memx = await startMemx(bridge.url, { token: `${TOKEN}-of-yesterday` });
  const calls = [setFreshKey(), get("a"), handshake("a"), send("GET", "/health")];
  for (const response of await Promise.all(calls)) expectStoreUnavailable(response);
  expect(acknowledged).toEqual([]);
  expectNoSecretsInLog(memx);
});

it("accepts an address and a token that end in a line break, as values from a file do", async () => {
  memx = await startMemx(`${bridge.url}\n`, { token: `${TOKEN}\n` });
  await succeeds(setFreshKey());
  await expectAcknowledged();
});

it.each<[string, Record<string, string>]>([
  ["only the URL", { UPSTASH_REDIS_REST_URL: "http://127.0.0.1:8079" }],
  ["only the token", { UPSTASH_REDIS_REST_TOKEN: TOKEN }],
  ["an invalid URL", { UPSTASH_REDIS_REST_URL: "my-redis", UPSTASH_REDIS_REST_TOKEN: TOKEN }],
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
  await succeeds(setFreshKey());
  const [{ key, revision }] = acknowledged as [Acknowledged];
  await end(memx);

  memx = await startWorkerd({ disk, bindings });
  const schema = `/schema?key=${key}`;
  const responses = await Promise.all([
    setFreshKey(),
    get(key),
    send("POST", "/schema", { body: { key, schema: {} } }),
    send("GET", schema),
    send("DELETE", schema),
    send("GET", "/health"),
    handshake(key),
  ]);
  for (const { status, headers, text, elapsedMs } of responses) {
    expect(status, text).toBe(503);
    expect(headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(JSON.parse(text)).toMatchObject({ code: "store_unavailable" });
    expect(text).not.toContain(TOKEN);
    expect(elapsedMs).toBeLessThan(MAX_ELAPSED_MS);
  }
  for (const { text } of responses) expect(JSON.parse(text).detail).toContain("UPSTASH_REDIS_REST_URL");
  expect(memx.output()).not.toContain(TOKEN);
  expect(memx.output()).not.toContain(VALUE);
  await end(memx);

  // The embedded store is unchanged: its next revision directly follows the last one.
  memx = await startWorkerd({ disk });
  await expectAcknowledged();
  expect((await succeeds(setFreshKey())).revision).toBe(revision + 1);
});

async function end({ process }: Workerd): Promise<void> {
  const ended = once(process, "exit");
  killGroup(process.pid);
  await ended;
}
