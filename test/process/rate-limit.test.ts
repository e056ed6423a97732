// The rate limit of memX on your own machine, where no platform has one: on by default, and through every door.

import { Agent, request } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { startWorkerd } from "./support/workerd.ts";

const API_KEY = "local_dev_key";
const MCP_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const SSE_HEADERS = { accept: "text/event-stream" };
const PING = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });

/** Returns the status of the response, without waiting for its body. */
async function statusOf(url: string, apiKey: string, { headers = {}, ...init }: RequestInit = {}): Promise<number> {
  const abort = new AbortController();
  const all = { ...Object.fromEntries(new Headers(headers)), "x-api-key": apiKey };
  const { status } = await fetch(url, { ...init, headers: all, signal: abort.signal });
  abort.abort();
  return status;
}

/** Returns the code that closes the WebSocket, or 200 once memX has sent a message. */
function openSocket(url: string, apiKey: string): Promise<number> {
  const socket = new WebSocket(url.replace("http", "ws"), { headers: { "x-api-key": apiKey } } as never);
  return new Promise((resolve) => {
    socket.addEventListener("close", ({ code }) => resolve(code));
    socket.addEventListener("message", () => {
      resolve(200);
      socket.close();
    });
  });
}

const DOORS: [name: string, knock: (url: string, apiKey: string) => Promise<number>][] = [
  ["HTTP", (url, apiKey) => statusOf(`${url}/get?key=a`, apiKey)],
  ["a long poll", (url, apiKey) => statusOf(`${url}/changes?pattern=a&wait=0`, apiKey)],
  ["server-sent events", (url, apiKey) => statusOf(`${url}/subscribe/a`, apiKey, { headers: SSE_HEADERS })],
  ["MCP", (url, apiKey) => statusOf(`${url}/mcp`, apiKey, { method: "POST", headers: MCP_HEADERS, body: PING })],
  ["a WebSocket", (url, apiKey) => openSocket(`${url}/watch?pattern=*&since=0`, apiKey)],
];

describe("on your own machine", () => {
  it.each(DOORS)("refuses an API key that calls too often through %s, valid or not, and no other", async (_, knock) => {
    const { url } = await startWorkerd({ bindings: { RATE_LIMIT: "3" } });
    for (const [apiKey, ...allowed] of [
      [API_KEY, 200],
      ["unknown", 403, 4403],
    ] as const) {
      let code: number;
      // A period may end at any time, so not after a count.
      do code = await knock(url, apiKey);
      while ((allowed as readonly number[]).includes(code));
      expect([429, 4429]).toContain(code);
    }
    expect([403, 4403]).toContain(await knock(url, "another"));
  });

  it("limits calls by default", async () => {
    const { port } = await startWorkerd({ bindings: { RATE_LIMIT: "" } });
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    onTestFinished(() => agent.destroy());
    const call = () =>
      new Promise<number>((resolve, reject) => {
        const options = { host: "127.0.0.1", port, path: "/get?key=a", headers: { "x-api-key": API_KEY }, agent };
        const sent = request(options, (response) => {
          response.resume().once("end", () => resolve(response.statusCode ?? 0));
        });
        sent.once("error", reject).end();
      });
    let calls = 0;
    let last = 200;
    const caller = async () => {
      // Without a limit, this would go on for ever.
      while (last === 200 && calls < 100_000) {
        calls++;
        const status = await call();
        if (status !== 200) last = status;
      }
    };
    await Promise.all(Array.from({ length: 50 }, caller));
    expect(last).toBe(429);
  });
});
