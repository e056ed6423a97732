// Writers that disconnect before the response: memX still notifies subscribers of applied writes. Runs on workerd, as a
// deploy does, because the proxy of wrangler dev keeps a request alive after its client disconnects.

import { connect } from "node:net";
import { expect, it } from "vitest";
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
