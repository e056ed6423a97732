// Clients that hang up: in the middle of their body nothing is applied, and before their response every change is
// announced. On workerd itself, as it runs when deployed, because the proxy of wrangler dev keeps a request alive whose
// client has gone.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { startWorkerd } from "./support/workerd.ts";

const WRITES = 100;

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
