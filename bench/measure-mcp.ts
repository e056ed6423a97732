// Measures what /mcp costs: the bundle's bytes and its cold start beside those of another bundle, a first and a later tool call,
// and the time from a write to the end of a wait. Run it by hand, with the dist/ of a build without /mcp (of an earlier commit,
// say) as the argument: node bench/measure-mcp.ts ../before/dist 20

import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { WORKERD, workerdArguments } from "../selfhost/workerd.ts";
import { freePort } from "../test/support/free-port.ts";
import { startServer } from "./processes.ts";
import { median, medianRatio } from "./statistics.ts";

const [other, count = "20"] = process.argv.slice(2);
const ROUNDS = Number(count);
const headers = {
  "x-api-key": "bench",
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};

/** Starts the bundle of a folder, and returns the milliseconds until the first GET /get has its response. */
async function start(dist: string) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-"));
  // Beside each other as in the repository, because the configuration names its modules by their paths.
  for (const part of ["data", "config"]) cpSync("config", join(folder, part), { recursive: true });
  cpSync(dist, join(folder, "dist"), { recursive: true });
  const args = workerdArguments({
    address: `127.0.0.1:${port}`,
    dataFolder: join(folder, "data"),
    config: join(folder, "config/workerd.capnp"),
  });
  const beganMs = performance.now();
  const server = await startServer(WORKERD, args, {
    env: { MEMX_ACL: JSON.stringify({ bench: ["*"] }), STORE_TIMEOUT_MS: "30000", RATE_LIMIT: "0" },
    ready: () => fetch(`${url}/get?key=a`, { headers }).then((response) => response.text()),
  });
  const startMs = performance.now() - beganMs;
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  };
  return { url, startMs, stop };
}

async function call(url: string, name: string, args: object): Promise<{ text: string; ms: number; endedMs: number }> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } });
  const beganMs = performance.now();
  const response = await fetch(`${url}/mcp`, { method: "POST", headers, body });
  const text = await response.text();
  const endedMs = performance.now();
  if (!response.ok || text.includes('"isError":true')) throw new Error(text);
  return { text, ms: endedMs - beganMs, endedMs };
}

const times = {
  ours: [] as number[],
  theirs: [] as number[],
  first: [] as number[],
  later: [] as number[],
  wait: [] as number[],
};
for (let round = 0; round < ROUNDS; round++) {
  if (other !== undefined) {
    const { startMs, stop } = await start(resolve(other));
    times.theirs.push(startMs);
    await stop();
  }
  const { url, startMs, stop } = await start(resolve(process.env.DIST ?? "dist"));
  times.ours.push(startMs);
  times.first.push((await call(url, "memx_set", { key: "a", value: 1 })).ms);
  for (let n = 0; n < 20; n++) {
    const { ms } = await call(url, "memx_get", { key: "a" });
    if (n >= 10) times.later.push(ms);
  }
  const waiting = call(url, "memx_wait", { patterns: ["b"], since: 0 });
  // Long enough for the wait to have begun.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const wroteMs = performance.now();
  await call(url, "memx_set", { key: "b", value: 1 });
  times.wait.push((await waiting).endedMs - wroteMs);
  await stop();
}

const bytes = (dist: string) => {
  const modules = globSync(join(dist, "*.{js,mjs}")).sort();
  const bundle = Buffer.concat(modules.map((path) => readFileSync(path)));
  return `${bundle.length} bytes, ${(gzipSync(bundle).length / 1024).toFixed(1)} KiB gzip`;
};
const ms = (numbers: readonly number[]) => `${median(numbers).toFixed(1)} ms`;
console.log(`bundle: ${bytes("dist")}${other === undefined ? "" : `; the other: ${bytes(other)}`}`);
console.log(
  `first GET /get of a new process: ${ms(times.ours)}${
    other === undefined
      ? ""
      : `; the other: ${ms(times.theirs)}; ratio ${medianRatio(times.ours, times.theirs).toFixed(3)}`
  }`,
);
console.log(`first tool call: ${ms(times.first)}; later ones: ${ms(times.later)}`);
console.log(
  `from a write by MCP to the end of a wait: ${ms(times.wait)}, at most ${Math.max(...times.wait).toFixed(1)} ms`,
);
