// Nothing that a server, a setting or a callback does is an uncaught exception in a program that uses the SDK.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { type InstalledSdk, installSdk, nodes, run } from "./support/installed-sdk.ts";
import { frame, startRudeServer } from "./support/rude-server.ts";

let sdk: InstalledSdk;

beforeAll(() => {
  sdk = installSdk();
});

afterAll(() => sdk.remove());

/** Runs a program that logs everything that is uncaught, and the result of its body. */
async function runProgram(body: string, url: string, { path, flags } = nodes()[0] as ReturnType<typeof nodes>[0]) {
  const file = join(sdk.project, `program-${Math.random()}.js`);
  writeFileSync(
    file,
    `import { MemX } from "memx-sdk";
     process.on("uncaughtException", (error) => console.log("uncaught", error));
     process.on("unhandledRejection", (error) => console.log("unhandled", error));
     const settings = { apiKey: "a", baseUrl: ${JSON.stringify(url)}, timeoutMs: 2_000, pingTimeoutMs: 2_000 };
     ${body}`,
  );
  const { stdout, stderr } = await run(path, [...flags, file], { cwd: sdk.project });
  expect(stderr).toBe("");
  return stdout.trim().split("\n");
}

/** Logs why the first two attempts failed, and ends. */
const WATCH_TWICE = `
  const memx = new MemX(settings);
  let failures = 0;
  const onStatus = (status, error) => {
    if (status !== "connecting" || !error) return;
    console.log(error.name, error.code);
    if (++failures === 2) memx.close();
  };
  await memx.watch("*", { onStatus }).done;
  console.log("closed");`;

const FRAMES: [name: string, misbehave: (socket: Duplex) => void][] = [
  ["a frame that is not JSON", (socket) => socket.write(frame(1, "<html>"))],
  ["a frame that is JSON, and no event", (socket) => socket.write(frame(1, "null"))],
  ["a frame of bytes", (socket) => socket.write(frame(2, new Uint8Array([0, 255])))],
  ["a frame that is not UTF-8", (socket) => socket.write(frame(1, new Uint8Array([0xff])))],
  ["no frame at all", (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["the end of the connection", (socket) => socket.destroy()],
  ["a close frame of one byte", (socket) => socket.write(frame(8, new Uint8Array([3])))],
  ["a close code that is not allowed", (socket) => socket.write(frame(8, new Uint8Array([0, 5])))],
];

it.each(FRAMES)("reconnects after %s", async (_, misbehave) => {
  // Over HTTP it is memX, so that only the sockets fail.
  const page = { changes: [], revision: 1, reset: false };
  const { url, handshakes } = await startRudeServer(misbehave, page);
  expect(await runProgram(WATCH_TWICE, url)).toEqual(["NetworkError network", "NetworkError network", "closed"]);
  // On a busy machine the client may reconnect once more before the program closes it.
  expect(handshakes()).toBeGreaterThanOrEqual(2);
});

it.each(nodes())("keeps trying where nothing listens, and where a page does, in $name", async (node) => {
  const { url } = await startRudeServer((socket) => socket.destroy());
  for (const each of [url, `http://127.0.0.1:${await freePort()}`, "http://nowhere.invalid"]) {
    const lines = await runProgram(WATCH_TWICE, each, node);
    expect(lines).toEqual(["NetworkError network", "NetworkError network", "closed"]);
  }
});

it("ends with the error of a callback that throws", async () => {
  const { url } = await startRudeServer((socket) => socket.write(frame(1, '{"event":"ready","revision":1}')));
  const lines = await runProgram(
    `const memx = new MemX(settings);
     const fail = (name) => () => { throw new Error(name); };
     const log = (promise) => promise.then(() => console.log("resolved"), ({ message }) => console.log(message));
     await log(memx.watch("*", { onStatus: fail("in onStatus") }).done);
     await log(memx.watch("*", { onStatus: async () => fail("later in onStatus")() }).done);
     await log(memx.watch("*", { onStatus: fail("in the loop") })[Symbol.asyncIterator]().next());
     const { done } = memx.watch("*", { onStatus: (status) => status === "closed" && fail("at the end")() });
     setTimeout(() => memx.close(), 300);
     await log(done);`,
    url,
  );
  expect(lines).toEqual(["in onStatus", "later in onStatus", "in the loop", "at the end"]);
});

it.each(nodes())("prints no warning for many calls and subscriptions with one signal, in $name", async (node) => {
  const { url } = await startRudeServer((socket) => socket.destroy());
  const lines = await runProgram(
    `const memx = new MemX({ ...settings, retries: 1 });
     const abort = new AbortController();
     const { signal } = abort;
     const calls = Promise.allSettled(Array.from({ length: 30 }, () => memx.get("a", { signal })));
     const subscriptions = Array.from({ length: 30 }, () => memx.watch("*", { signal }));
     await new Promise((resolve) => setTimeout(resolve, 300));
     abort.abort();
     await calls;
     await Promise.all(subscriptions.map(({ done }) => done));
     console.log("done");`,
    url,
    node,
  );
  expect(lines).toEqual(["done"]);
});

it("rejects with what the class of the WebSocket throws", async () => {
  const lines = await runProgram(
    `class Broken { constructor() { throw new Error("no WebSocket"); } }
     const memx = new MemX({ ...settings, WebSocket: Broken });
     await memx.watch("*").ready.catch(({ message }) => console.log(message));
     await memx.watch("*").done.catch(({ message }) => console.log(message));`,
    "http://127.0.0.1:9",
  );
  expect(lines).toEqual(["no WebSocket", "no WebSocket"]);
});

it.each(["http://user:password@memx", "http://memx?a", "http://memx#a", " http://memx"])(
  "refuses the base URL %j before anything runs",
  async (url) => {
    const lines = await runProgram(`try { new MemX(settings); } catch (error) { console.log(error.name); }`, url);
    expect(lines).toEqual(["TypeError"]);
  },
);
