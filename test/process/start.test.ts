// `npm start` as operators run it, on the embedded store and on a real Redis: start, stop, kill, and wrong settings.

import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { createClient } from "redis";
import { expect, it, onTestFinished, vi } from "vitest";
import { startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { freePort } from "../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { dataFolder, PATIENT_MS, startProcess } from "./support/dev-server.ts";
import { connectRaw } from "./support/raw-subscriber.ts";
import { workerdsOf } from "./support/usage.ts";

const API_KEY = "key-of-this-test";
const HEADERS = { "x-api-key": API_KEY, "content-type": "application/json" };
const MEMX_ACL = JSON.stringify({ [API_KEY]: ["*"] });

type Run = {
  readonly process: ChildProcess;
  readonly url: string;
  readonly output: () => string;
  readonly code: Promise<number | null>;
};

/** Runs memX in a folder of this test, with these settings only. */
function run(settings: Readonly<Record<string, string>>): Run {
  const env = { PATH: process.env.PATH, STORE_TIMEOUT_MS: PATIENT_MS, RATE_LIMIT: "0", ...settings };
  const child = startProcess(process.execPath, [resolve("selfhost/start.ts")], env, dataFolder());
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  return {
    process: child,
    url: `http://127.0.0.1:${settings.MEMX_PORT}`,
    output: () => output,
    code: once(child, "close").then(([code]) => code),
  };
}

async function start(settings: Readonly<Record<string, string>> = {}): Promise<Run> {
  const started = run({ MEMX_ACL, MEMX_PORT: String(await freePort()), ...settings });
  await expect.poll(started.output, { timeout: LONG_PATIENCE_MS }).toContain("memX is ready on ");
  return started;
}

async function set(url: string, key: string, value: unknown, rest: object = {}): Promise<Response> {
  return fetch(`${url}/set`, { method: "POST", headers: HEADERS, body: JSON.stringify({ key, value, ...rest }) });
}

async function get(url: string, key: string): Promise<unknown> {
  return ((await (await fetch(`${url}/get?key=${key}`, { headers: HEADERS })).json()) as { value: unknown } | null)
    ?.value;
}

/** Zombies do not count: a process whose parent does not wait for it stays as one, without resources. */
function isThere(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return /^\s*[^Z\s]/.test(stdout);
}

it("prints its address and its data folder, and nothing else", async () => {
  const { url, output } = await start();
  expect(output()).toBe(`memX is ready on ${url}   store: embedded   data: ${join(dataFolder(), "data")}\n`);
  expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: "ok", store: "embedded" });
});

it("keeps a write that it acknowledged right before it was killed, and leaves no process on the port", async () => {
  const port = String(await freePort());
  const first = await start({ MEMX_PORT: port });
  const workerd = workerdsOf(first.process.pid)[0] as number;
  for (let n = 1; n <= 20; n++) expect((await set(first.url, "n", n)).status).toBe(200);
  process.kill(-(first.process.pid as number), "SIGKILL");
  await expect.poll(() => isThere(workerd)).toBe(false);
  const second = await start({ MEMX_PORT: port });
  expect(await get(second.url, "n")).toBe(20);
});

it("finishes requests in flight when it stops, and loses and invents no write", async () => {
  const settings = { MEMX_PORT: String(await freePort()) };
  const { process: child, url, code } = await start(settings);
  const { revision } = (await (await set(url, "other", 1)).json()) as { revision: number };
  const poll = fetch(`${url}/changes?pattern=nothing&since=${revision}&wait=2`, { headers: HEADERS });
  const written = Array.from({ length: 8 }, () => 0);
  const writers = written.map(async (_, writer) => {
    for (let n = 1; ; n++) {
      const response = await set(url, `w${writer}`, n).catch(() => undefined);
      if (response === undefined) return;
      expect(response.status).toBe(200);
      await response.text();
      written[writer] = n;
    }
  });
  await expect.poll(() => Math.min(...written)).toBeGreaterThan(5);
  child.kill("SIGTERM");
  expect((await poll).status).toBe(200);
  await Promise.all(writers);
  expect(await code).toBe(0);

  const again = await start(settings);
  expect(await Promise.all(written.map((_, writer) => get(again.url, `w${writer}`)))).toEqual(written);
});

it.each(["SIGTERM", "SIGINT"] as const)("exits on %s, also while a client subscribes", async (signal) => {
  const { process: child, url, code } = await start();
  const workerd = workerdsOf(child.pid)[0] as number;
  const subscriber = await connectRaw(url, "/subscribe/a", { "x-api-key": API_KEY });
  expect(subscriber.isOpen()).toBe(true);
  child.kill(signal);
  expect(await code).toBe(0);
  expect(isThere(workerd)).toBe(false);
});

it("exits when the shell exits in which npm runs it", async () => {
  const port = String(await freePort());
  const settings = { PATH: process.env.PATH, MEMX_PORT: port, MEMX_ACL, npm_lifecycle_event: "start" };
  // A shell that stays between this test and memX.
  const args = ["-c", '"$0" "$@"; exit 0', process.execPath, resolve("selfhost/start.ts")];
  const shell = startProcess("sh", args, settings, dataFolder());
  const responds = () =>
    fetch(`http://127.0.0.1:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  await expect.poll(responds, { interval: 100 }).toBe(true);
  shell.kill("SIGKILL");
  await expect.poll(responds, { interval: 100 }).toBe(false);
});

it("exits if workerd exits", async () => {
  const { process: child, code, output } = await start();
  process.kill(workerdsOf(child.pid)[0] as number, "SIGKILL");
  expect(await code).toBe(1);
  expect(output()).toContain("workerd exited unexpectedly");
});

it("reads settings from .env, and prefers the environment", async () => {
  const port = await freePort();
  const file = { MEMX_ACL: `'${MEMX_ACL}'`, MEMX_PORT: "1", LOG_LENGTH: "nonsense", MEMX_DATA_DIR: "elsewhere" };
  writeFileSync(
    join(dataFolder(), ".env"),
    Object.entries(file)
      .map((entry) => `${entry.join("=")}\n`)
      .join(""),
  );
  const started = run({ MEMX_PORT: String(port), LOG_LENGTH: "10" });
  await expect.poll(started.output).toContain(`127.0.0.1:${port} `);
  expect(started.output()).toContain(`data: ${join(dataFolder(), "elsewhere")}\n`);
  expect((await set(started.url, "a", 1)).status).toBe(200);
});

it("reads HOST and PORT by their old names, with a warning, unless the new names are set", async () => {
  const port = String(await freePort());
  const old = run({ MEMX_ACL, HOST: "127.0.0.1", PORT: port });
  await expect.poll(old.output, { timeout: LONG_PATIENCE_MS }).toContain(`memX is ready on http://127.0.0.1:${port} `);
  const warnings = old
    .output()
    .split("\n")
    .filter((line) => line.includes("memX listens"));
  expect(warnings).toEqual([
    "memX listens on HOST=127.0.0.1. Call this setting MEMX_HOST, because shells and other programs set HOST too.",
    `memX listens on PORT=${port}. Call this setting MEMX_PORT, because shells and other programs set PORT too.`,
  ]);
  old.process.kill("SIGTERM");
  expect(await old.code).toBe(0);

  const { url, output } = await start({ HOST: "192.0.2.1", PORT: "1", MEMX_HOST: "127.0.0.1" });
  expect(output()).toBe(`memX is ready on ${url}   store: embedded   data: ${join(dataFolder(), "data")}\n`);
});

it("refuses every request until API keys are configured, and says how", async () => {
  const { url, output } = await start({ MEMX_ACL: "", MEMX_ENV: "development" });
  await expect.poll(output).toContain("MEMX_ACL to an access list");
  const response = await fetch(`${url}/get?key=a`, { headers: { "x-api-key": "local_dev_key" } });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "auth_unavailable" });
});

it("accepts only configured API keys", async () => {
  const { url } = await start({ MEMX_ENV: "development" });
  const response = await fetch(`${url}/get?key=a`, { headers: { "x-api-key": "local_dev_key" } });
  expect(response.status).toBe(403);
});

it.each([
  ["", "0"],
  [", even if it is full, and says that it is", "1"],
])("stores everything in the Redis at REDIS_URL, and removes expired values there%s", async (_, maxMemory) => {
  const server = await startRedisServer();
  onTestFinished(() => server.stop());
  const redis = createClient({ url: server.url });
  await redis.connect();
  onTestFinished(() => redis.close());
  const settings = { REDIS_URL: server.url };
  const first = await start(settings);
  expect(first.output()).toContain(`store: the Redis at ${server.url}   `);
  expect((await set(first.url, "stays", "as it was")).status).toBe(200);
  expect((await set(first.url, "expires", "soon gone", { ttl: 1 })).status).toBe(200);
  const entry = "{memx:}:entry:expires";
  expect(await redis.hGet("{memx:}:entry:stays", "value")).toBe('"as it was"');
  const expires = Number(await redis.hGet(entry, "expires"));
  const now = async () => {
    const [seconds, micros] = (await redis.sendCommand(["TIME"])) as unknown as [string, string];
    return Number(seconds) * 1_000_000 + Number(micros);
  };
  await expect.poll(now).toBeGreaterThan(expires);

  // No client has read this key since, and none will.
  first.process.kill("SIGTERM");
  expect(await first.code).toBe(0);
  expect(await redis.hExists(entry, "value")).toBe(1);
  await redis.configSet("maxmemory", maxMemory);
  const second = await start(settings);
  expect(second.output().includes("is full (maxmemory 1)")).toBe(maxMemory === "1");
  await expect.poll(() => redis.hExists(entry, "value")).toBe(0);
  expect(await get(second.url, "stays")).toBe("as it was");
});

it("says what is wrong with a Redis that it reaches over REST", async () => {
  // The bridge says the same, in this process.
  vi.spyOn(console, "warn").mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());
  const server = await startRedisServer({ args: ["--maxmemory-policy", "allkeys-lru"] });
  onTestFinished(() => server.stop());
  const bridge = await startRedisBridge({ redisUrl: server.url, port: 0 });
  onTestFinished(() => bridge.close());
  const { output } = await start({ UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: bridge.token });
  await expect.poll(output).toMatch(/^The store deletes data by itself when it is full/m);
});

it("serves the page at /docs with types that browsers accept", async () => {
  const { url } = await start();
  const typeOf = async (file: string) => (await fetch(`${url}/docs/${file}`)).headers.get("content-type");
  expect(await typeOf("swagger-ui.css")).toBe("text/css; charset=utf-8");
  expect(await typeOf("swagger-ui-bundle.js")).toBe("text/javascript; charset=utf-8");
  expect(await typeOf("favicon-32x32.png")).toBe("image/png");
  expect((await fetch(`${url}/docs/package.json`)).status).toBe(404);
});

it.each([
  ["a port that is not a number", { MEMX_PORT: "abc" }, "MEMX_PORT must be a number"],
  ["an address of another machine", { MEMX_HOST: "192.0.2.1" }, "MEMX_HOST: memX cannot listen on 192.0.2.1"],
  [
    "a folder that is a file",
    { MEMX_DATA_DIR: "/dev/null" },
    "MEMX_DATA_DIR: memX cannot write to the folder /dev/null",
  ],
  ["a length that is not a number", { LOG_LENGTH: "long" }, "LOG_LENGTH must be a whole number"],
  ["a time limit that is too short", { STORE_TIMEOUT_MS: "99" }, "STORE_TIMEOUT_MS must be a whole number from 100"],
  ["a time limit that is not a number", { STORE_TIMEOUT_MS: "2s" }, "STORE_TIMEOUT_MS must be a whole number from 100"],
  ["a rate limit that is not a number", { RATE_LIMIT: "2,000" }, "RATE_LIMIT must be a whole number"],
  ["a token that is easy to guess", { METRICS_TOKEN: "secret" }, "METRICS_TOKEN must have at least 16"],
  ["too few requests of a socket", { SUBREQUEST_LIMIT: "9" }, "SUBREQUEST_LIMIT must be a whole number from 10"],
  ["a quota that is negative", { MAX_NAMESPACE_KEYS: "-1" }, "MAX_NAMESPACE_KEYS must be a whole number"],
  ["a region that nobody knows", { REGION: "us-east-1" }, 'REGION must be "auto" or one of wnam, enam'],
  ["a negative number of subscribers", { RELAY_KEEP: "-1" }, "RELAY_KEEP must be a whole number from 0 to 10000"],
  ["a relay for no subscriber", { RELAY_LEAF: "0" }, "RELAY_LEAF must be a whole number from 1 to 10000"],
  ["no Redis", { REDIS_URL: "redis://user:secret@127.0.0.1:1/0" }, "No Redis responds at redis://127.0.0.1:1/0"],
  ["processes without a Redis", { PROCESSES: "2" }, "PROCESSES=2 needs REDIS_URL"],
  ["no number of processes", { PROCESSES: "many" }, "PROCESSES must be a whole number from 1 to 64"],
  ["two stores", { REDIS_URL: "redis://127.0.0.1:1", UPSTASH_REDIS_REST_URL: "http://127.0.0.1:1" }, "two stores"],
])("says in one line what is wrong with its settings: %s", async (_, settings, message) => {
  const { code, output } = run({ MEMX_ACL, MEMX_PORT: String(await freePort()), ...settings });
  expect(await code).toBe(1);
  expect(output()).toContain(message);
  expect(output().trim().split("\n")).toHaveLength(1);
});

it("fails if it cannot read its API keys, and names the setting", async () => {
  const { code, output } = run({ MEMX_ACL: "{", MEMX_PORT: String(await freePort()) });
  expect(await code).toBe(1);
  expect(output()).toContain("MEMX_ACL");
  expect(output()).not.toContain("ready");
});

it("says which API key of its list no header can carry, and repeats none", async () => {
  const { code, output } = run({ MEMX_ACL: '{"fine":["*"],"cl\u00e9":["*"]}', MEMX_PORT: String(await freePort()) });
  expect(await code).toBe(1);
  expect(output()).toMatch(/MEMX_ACL .*API key number 2 .*visible ASCII/);
  expect(output()).not.toContain("cl\u00e9");
  expect(output()).not.toContain("ready");
});

it("does not start on a port in use, or on the data of another memX", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  const late = run({ MEMX_ACL, MEMX_PORT: String(port) });
  expect(await late.code).toBe(1);
  expect(late.output()).toMatch(/^Port \d+ on 127.0.0.1 is in use\. .*\n$/);

  await start();
  const second = run({ MEMX_ACL, MEMX_PORT: String(await freePort()) });
  expect(await second.code).toBe(1);
  expect(second.output()).toMatch(/^Another memX uses the data in .*\n$/);
});
