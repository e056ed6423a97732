// Clients that hang up: in the middle of their body nothing is applied, and before their response every change is
// announced. On workerd itself, as it runs when deployed, because the proxy of wrangler dev keeps a request alive whose
// client has gone.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { settingsOf } from "./support/bridged-redis.ts";
import { startFailingProxy } from "./support/failing-proxy.ts";
import { startWorkerd } from "./support/workerd.ts";

const WRITES = 100;
const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };

/** The median time of a write here, in milliseconds. */
async function writeTime(url: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 21; n++) {
    const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
    const begun = performance.now();
    await (await fetch(`${url}/set`, { method: "POST", headers, body: '{"key":"timed","value":1}' })).text();
    times.push(performance.now() - begun);
  }
  return times.sort((a, b) => a - b)[10] as number;
}

/** Sends a write and resets the connection `delayMs` after it has left, to the tenth of a millisecond. */
async function writeAndHangUp(port: number, key: string, delayMs: number): Promise<void> {
  const body = JSON.stringify({ key, value: 1 });
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise((resolve) => socket.once("connect", resolve));
  const head = `POST /set HTTP/1.1\r\nhost: memx\r\nx-api-key: local_dev_key\r\ncontent-type: application/json\r\n`;
  await new Promise((resolve) => socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`, resolve));
  const until = performance.now() + delayMs;
  while (performance.now() < until) await new Promise(setImmediate);
  socket.resetAndDestroy();
}

it("notifies subscribers of every change of writers that reset their connection", async () => {
  const { port, url } = await startWorkerd();
  const headers = { "x-api-key": "local_dev_key" };

  // One key per writer, because the next change of a key makes its channel find the changes that it missed.
  const keys = Array.from({ length: WRITES }, (_, n) => `k${n}`);
  const received = new Set<string>();
  for (const key of keys) {
    // Node's WebSocket accepts headers, but its types are those of browsers.
    const socket = new WebSocket(`ws://127.0.0.1:${port}/subscribe/${key}`, { headers } as never);
    socket.addEventListener("message", () => received.add(key));
    await new Promise((resolve) => socket.addEventListener("open", resolve));
  }
  const writeMs = await writeTime(url);
  // From at once to well after the response.
  for (const [n, key] of keys.entries()) await writeAndHangUp(port, key, (n % 40) * (writeMs / 20));

  const withoutEvent = async () => {
    const found: string[] = [];
    for (const key of keys) {
      const entry = await (await fetch(`${url}/get?key=${key}`, { headers })).json();
      if (entry !== null && !received.has(key)) found.push(key);
    }
    return found;
  };
  await expect.poll(withoutEvent, { interval: 500 }).toEqual([]);
  expect(received.size).toBeGreaterThan(WRITES / 4);
});

it("does not take the calls with it that share its request to Redis", async () => {
  const { UPSTASH_REDIS_REST_URL = "", ...settings } = await settingsOf("redis");
  const proxy = await startFailingProxy(UPSTASH_REDIS_REST_URL);
  onTestFinished(() => proxy.close());
  // So short that the test sees a request that nobody ends.
  const bindings = { ...settings, UPSTASH_REDIS_REST_URL: proxy.url, STORE_TIMEOUT_MS: "3000" };
  const { port, url } = await startWorkerd({ bindings });
  const set = async (key: string) => {
    const init = { method: "POST", headers, body: JSON.stringify({ key, value: 1 }) };
    return (await fetch(`${url}/set`, init)).status;
  };
  expect(await set("first")).toBe(200);
  proxy.fault = { delayMs: 500 };
  for (let round = 0; round < 3; round++) {
    // It resets its connection while its request is in flight, and the others wait for it.
    await writeAndHangUp(port, `gone${round}`, 100);
    const waiting = ["a", "b", "c"].map(set);
    expect(await Promise.all(waiting)).toEqual([200, 200, 200]);
    // Its request ends, and takes those that wait with it. Then it has gone.
    const leader = set(`leader${round}`);
    await sleep(100);
    const led = ["d", "e", "f"].map(set);
    await leader;
    await writeAndHangUp(port, `late${round}`, 100);
    expect(await Promise.all(led)).toEqual([200, 200, 200]);
  }
  proxy.fault = undefined;
  for (const key of ["gone0", "gone1", "gone2", "late0", "late1", "late2"]) {
    const read = async () => (await fetch(`${url}/get?key=${key}`, { headers })).text();
    await expect.poll(read, { interval: 50 }).toContain('"value":1');
  }
});

describe("a client that asks for more places in a channel than one API key has, and reads none of them", () => {
  const PLACES = LIMITS.maxSubscribersPerApiKey;
  const headers = { "x-api-key": "local_dev_key", accept: "text/event-stream" };

  async function join(url: string): Promise<number> {
    const { status, body } = await fetch(`${url}/subscribe/k`, { headers });
    await body?.cancel();
    return status;
  }

  /** Calls it twice as often as there are places, because some clients leave before they are in. */
  async function fill(take: () => Promise<void>): Promise<void> {
    const takers = Array.from({ length: 20 }, async () => {
      for (let n = 0; n < PLACES / 10; n++) await take();
    });
    await Promise.all(takers);
  }

  async function connectTo(port: number, head: string): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    await new Promise((resolve) => socket.write(`${head}\r\nhost: memx\r\nx-api-key: local_dev_key\r\n\r\n`, resolve));
    return socket;
  }

  const accept = "\r\naccept: text/event-stream";

  it.each<[name: string, take: (url: string, port: number) => Promise<void>]>([
    ["with HEAD", async (url) => void (await fetch(`${url}/subscribe/k`, { method: "HEAD", headers }))],
    [
      "with GET, and resets the connection at once",
      async (_, port) => void (await connectTo(port, `GET /subscribe/k HTTP/1.1${accept}`)).resetAndDestroy(),
    ],
    [
      "with GET, and closes the connection when the response begins",
      async (_, port) => {
        const socket = await connectTo(port, `GET /subscribe/k HTTP/1.1${accept}`);
        await once(socket, "data");
        socket.destroy();
      },
    ],
  ])("%s, has its places back", async (_, take) => {
    const { port, url } = await startWorkerd();
    await fill(() => take(url, port));
    await expect.poll(() => join(url), { timeout: 40_000, interval: 500 }).toBe(200);
  });
});

describe("a client that goes away in the middle of its body", () => {
  const BODY = '{"key":"cut","value":1}';
  const half = BODY.slice(0, 12);
  const json = { "content-type": "application/json" };
  const announced = { "content-length": String(BODY.length) };
  const chunked = { "transfer-encoding": "chunked" };
  const requests: [name: string, method: string, path: string, headers: Record<string, string>, body: string][] = [
    ["of an announced length", "POST", "/set", { ...json, ...announced }, half],
    ["in chunks", "POST", "/set", { ...json, ...chunked }, `c\r\n${half}\r\n`],
    ["in chunks that are malformed", "POST", "/set", { ...json, ...chunked }, "zz\r\n"],
    ["of a batch", "POST", "/batch", { ...json, ...announced }, half],
    [
      "that only its Idempotency-Key needs",
      "DELETE",
      "/schema?key=cut",
      { ...announced, "idempotency-key": "1" },
      half,
    ],
  ];

  async function send(port: number, [, method, path, headers, body]: (typeof requests)[number]): Promise<Socket> {
    // Half open, so that the test can end its side and still read the response.
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    await once(socket, "connect");
    const all = { host: "memx", "x-api-key": "local_dev_key", ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
    return socket;
  }

  it("changes nothing, is no defect of memX, and leaves no line in the log", async () => {
    const { port, url, output } = await startWorkerd();
    const before = output();
    for (const request of requests) {
      for (const leave of ["resetAndDestroy", "destroy"] as const) {
        const socket = await send(port, request);
        await new Promise((resolve) => setTimeout(resolve, 20));
        socket[leave]();
      }
      const socket = await send(port, request);
      socket.end();
      let response = "";
      for await (const chunk of socket) response += chunk;
      expect(response, request[0]).toMatch(/^HTTP\/1\.1 422 /);
      expect(response).toContain('"code":"invalid_request"');
    }
    const read = await fetch(`${url}/get?key=cut`, { headers: { "x-api-key": "local_dev_key" } });
    expect(await read.text()).toBe("null");
    expect(output()).toBe(before);
  });
});
