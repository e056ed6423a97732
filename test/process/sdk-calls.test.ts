// The client's calls over sockets, against memX as a process: kills, renewals, proxies, and a server that stands still.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { promisify } from "node:util";
import { afterEach, expect, it } from "vitest";
import { MemX, type MemXOptions, TimeoutError } from "../../sdk/typescript/index.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { connectPuppet } from "../support/puppet-socket.ts";
import { killGroup } from "./support/dev-server.ts";
import { newDisk, startWorkerd } from "./support/workerd.ts";

const apiKey = "local_dev_key";
const clients: MemX[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** A client that counts how its calls go, and follows memX to another port. */
function connect(url: () => string, options: MemXOptions = {}) {
  const counts = { http: 0, sockets: 0 };
  class Socket extends WebSocket {
    constructor(target: string, protocols: string[]) {
      super(target.replace("ws://memx", url().replace("http", "ws")), protocols);
      counts.sockets++;
    }
  }
  const send = (target: string, init: RequestInit) => {
    counts.http++;
    return fetch(target.replace("http://memx", url()), init);
  };
  const all = {
    apiKey,
    baseUrl: "http://memx",
    fetch: send,
    WebSocket: Socket,
    timeoutMs: LONG_PATIENCE_MS,
    ...options,
  };
  const memx = new MemX(all);
  clients.push(memx);
  return { memx, counts };
}

const range = (count: number) => Array.from({ length: count }, (_, n) => n);

it.each(["socket", "auto"] as const)("applies each increment once, through kills of memX, with %s", async (calls) => {
  const disk = newDisk();
  let server = await startWorkerd({ disk });
  let [done, stop] = [0, false];
  const writers = range(8).map(async (writer) => {
    const { memx, counts } = connect(() => server.url, { calls, retries: 1_000 });
    let sent = 0;
    while (!stop) {
      await Promise.all(range(8).map(() => memx.increment(`w${writer}`)));
      done += 8;
      sent += 8;
    }
    return { sent, counts };
  });
  for (let kill = 0; kill < 3; kill++) {
    const before = done;
    await expect.poll(() => done, { timeout: LONG_PATIENCE_MS, interval: 1 }).toBeGreaterThan(before + 200);
    const ended = once(server.process, "exit");
    killGroup(server.process.pid);
    await ended;
    server = await startWorkerd({ disk });
  }
  stop = true;
  const { memx } = connect(() => server.url, { calls: "http" });
  for (const [writer, { sent, counts }] of (await Promise.all(writers)).entries()) {
    expect((await memx.get(`w${writer}`))?.value).toBe(sent);
    expect(counts.sockets).toBeGreaterThan(0);
    if (calls === "socket") expect(counts.http).toBe(0);
  }
});

it("goes on over the next socket whenever memX asks for it, and loses no call", async () => {
  const server = await startWorkerd({ bindings: { SUBREQUEST_LIMIT: "20" } });
  const { memx, counts } = connect(() => server.url, { calls: "socket", retries: 1_000 });
  for (let round = 0; round < 100; round++) await Promise.all(range(10).map((n) => memx.increment(`k${n}`)));
  for (const n of range(10)) expect((await memx.get(`k${n}`))?.value).toBe(100);
  expect(counts.sockets).toBeGreaterThan(3);
  expect(counts.http).toBe(0);
});

it("passes thousands of calls at once through the bounds of a socket, without a retry", async () => {
  const server = await startWorkerd();
  const { memx, counts } = connect(() => server.url, { calls: "socket", retries: 0 });
  const written = await Promise.all(range(3_000).map((n) => memx.set(`k${n}`, n)));
  expect(new Set(written.map(({ revision }) => revision)).size).toBe(3_000);
  const large = "x".repeat(200_000);
  await Promise.all(range(100).map((n) => memx.set(`large${n}`, large)));
  const values = await Promise.all(range(100).map((n) => memx.get(`large${n}`)));
  expect(values.every((entry) => entry?.value === large)).toBe(true);
  expect(counts).toEqual({ http: 0, sockets: 1 });
});

it("uses a socket while several calls are in flight, and HTTP for single ones", async () => {
  const server = await startWorkerd();
  const { memx, counts } = connect(() => server.url);
  for (const n of range(10)) await memx.set("a", n);
  await Promise.all([memx.get("a"), memx.get("a")]);
  expect(counts).toEqual({ http: 12, sockets: 0 });
  await expect
    .poll(async () => {
      const before = counts.http;
      await Promise.all(range(20).map(() => memx.increment("n")));
      return counts.http - before;
    })
    .toBe(0);
  expect(counts.sockets).toBe(1);
});

it("falls back to HTTP behind a proxy that refuses sockets, and tries again less and less often", async () => {
  const server = await startWorkerd();
  const proxy = createServer((incoming, outgoing) => {
    const { method, headers, url = "/" } = incoming;
    const passed = httpRequest(`${server.url}${url}`, { method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  proxy.on("upgrade", (_, socket) => socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"));
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const { port } = proxy.address() as { port: number };
  const { memx, counts } = connect(() => `http://127.0.0.1:${port}`);
  for (let round = 0; round < 50; round++) await Promise.all(range(8).map(() => memx.increment("n")));
  expect((await memx.get("n"))?.value).toBe(400);
  expect(counts.sockets).toBeGreaterThan(0);
  expect(counts.sockets).toBeLessThan(10);
  expect(counts.http).toBe(401);
  proxy.closeAllConnections();
  proxy.close();
});

it("keeps to HTTP where a socket opens and passes nothing", async () => {
  const { memx, sockets, requests } = connectPuppet(() => Response.json(null), { calls: "auto", timeoutMs: 50 });
  for (let round = 0; round < 3; round++) {
    await Promise.all(range(8).map(() => memx.get("a")));
    sockets[0]?.emit("open");
  }
  await expect.poll(() => sockets[0]?.closed).toBe(true);
  expect(requests).toHaveLength(24);
});

it("times out while memX stands still, and goes on when it continues", async () => {
  const server = await startWorkerd();
  const { memx, counts } = connect(() => server.url, { calls: "socket", timeoutMs: 1_000, retries: 0 });
  const patient = connect(() => server.url, { calls: "socket", timeoutMs: 1_000, retries: 1_000 });
  await expect
    .poll(() =>
      memx.set("a", 0).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  await patient.memx.get("a");
  process.kill(server.process.pid as number, "SIGSTOP");
  const late = patient.memx.increment("a");
  // Over the open socket, and over one that does not open.
  for (let n = 0; n < 2; n++) {
    const errors = await Promise.all(range(5).map(() => memx.get("a").catch((reason) => reason)));
    for (const error of errors) {
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error).toMatchObject({ code: "timeout", message: "memX did not respond within 1000 ms." });
    }
  }
  process.kill(server.process.pid as number, "SIGCONT");
  await late;
  await expect
    .poll(() =>
      memx.get("a").then(
        (entry) => entry?.value,
        () => "late",
      ),
    )
    .toBe(1);
  expect(counts.http).toBe(0);
});

it.each(["socket", "auto", "http"] as const)(
  "lets its process end when no call is in flight, with %s",
  async (calls) => {
    const { url } = await startWorkerd();
    const client = new URL("../../sdk/typescript/index.ts", import.meta.url).href;
    const program = `
    import { MemX } from ${JSON.stringify(client)};
    class Socket extends WebSocket {
      constructor(...args) {
        super(...args);
        this.addEventListener("close", () => console.log("The socket kept the process alive until it was idle."));
      }
    }
    const options = { baseUrl: ${JSON.stringify(url)}, calls: ${JSON.stringify(calls)}, WebSocket: Socket };
    const memx = new MemX({ apiKey: "local_dev_key", ...options });
    for (let n = 0; n < 5; n++) await Promise.all(Array.from({ length: 20 }, () => memx.increment("n")));
    console.log((await memx.get("n")).value);`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
    expect(stdout).toBe("100\n");
  },
);
