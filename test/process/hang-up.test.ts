// Writers that hang up before their answer: what was applied is announced all the same. On workerd itself, as it runs
// when deployed, because the proxy of wrangler dev keeps a request alive whose client has gone.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { dataFolder, freePort, startProcess } from "./dev-server.ts";

const WRITES = 100;
const require = createRequire(import.meta.url);

/** The bundle that a deploy would upload, on workerd with its storage on this disk. */
async function startWorkerd(): Promise<number> {
  const wrangler = join(require.resolve("wrangler/package.json"), "../bin/wrangler.js");
  execFileSync(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", dataFolder()], {
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
  });
  const port = await freePort();
  const config = `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [
        (name = "main", worker = (
          modules = [(name = "index.js", esModule = embed "index.js")],
          compatibilityDate = "2026-11-01",
          bindings = [
            (name = "MEMX_ENV", text = "development"),
            (name = "CHANNEL", durableObjectNamespace = "Channel"),
            (name = "EMBEDDED_STORE", durableObjectNamespace = "EmbeddedStore"),
          ],
          durableObjectNamespaces = [
            (className = "Channel", uniqueKey = "channel", enableSql = true),
            (className = "EmbeddedStore", uniqueKey = "store", enableSql = true),
          ],
          durableObjectStorage = (localDisk = "disk"),
        )),
        (name = "disk", disk = (path = "${dataFolder()}", writable = true)),
      ],
      sockets = [(name = "http", address = "127.0.0.1:${port}", service = "main")],
    );`;
  writeFileSync(join(dataFolder(), "config.capnp"), config);
  startProcess(require.resolve("workerd/bin/workerd"), ["serve", join(dataFolder(), "config.capnp")]);
  return port;
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

it("announces every change of writers that reset their connection", async () => {
  const port = await startWorkerd();
  const headers = { "x-api-key": "local_dev_key" };
  const health = () => fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
  await expect.poll(async () => (await health())?.ok, { timeout: 20_000 }).toBe(true);

  // A key for each, because the next change of a key makes its channel look for what it missed.
  const keys = Array.from({ length: WRITES }, (_, n) => `k${n}`);
  const received = new Set<string>();
  for (const key of keys) {
    // Node's WebSocket takes headers, which its types, the browser's, do not know.
    const socket = new WebSocket(`ws://127.0.0.1:${port}/subscribe/${key}`, { headers } as never);
    socket.addEventListener("message", () => received.add(key));
    await new Promise((resolve) => socket.addEventListener("open", resolve));
  }
  for (const [n, key] of keys.entries()) await writeAndHangUp(port, key, (n % 40) / 10);

  const unannounced = async () => {
    const missing: string[] = [];
    for (const key of keys) {
      const entry = await (await fetch(`http://127.0.0.1:${port}/get?key=${key}`, { headers })).json();
      if (entry !== null && !received.has(key)) missing.push(key);
    }
    return missing;
  };
  await expect.poll(unannounced, { timeout: 10_000, interval: 500 }).toEqual([]);
  expect(received.size).toBeGreaterThan(WRITES / 4);
});
