// memX as `npm start` runs it, for all tests of a file, on either engine. It can be killed and started again with its data.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../../support/free-port.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";

export const ENGINES = ["embedded", "redis"] as const;
export type Engine = (typeof ENGINES)[number];

export type SelfHosted = {
  readonly url: string;
  /** Its store, on the engine "redis". */
  readonly redis: RedisServer | undefined;
  /** The process that started all others, and everything that it has printed since. */
  readonly pid: () => number;
  readonly output: () => string;
  /** Makes a call with an API key, and returns the text of the response. A body is sent as it is. */
  call(path: string, options?: { apiKey?: string; body?: string; agent?: string; method?: string }): Promise<string>;
  /** Kills it at once, with everything that it started except the store's data. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and with the same data. */
  start(): Promise<void>;
  close(): Promise<void>;
};

/** Resolves when memX is ready. `env` has its settings besides the store, or the `REDIS_URL` of one that others use too. */
export async function startSelfHosted(engine: Engine, env: Readonly<Record<string, string>>): Promise<SelfHosted> {
  const folder = await mkdtemp(join(tmpdir(), "memx-hosted-"));
  const hasRedis = env.REDIS_URL !== undefined || env.REDIS_CLUSTER_URLS !== undefined;
  const redis: RedisServer | undefined = engine === "redis" && !hasRedis ? await startRedisServer() : undefined;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let output = "";
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    // workerd's guard kills it once its pipe closes.
    while (await responds(url)) await new Promise((wait) => setTimeout(wait, 20));
  };
  const end = () => void child?.kill("SIGKILL");
  process.once("exit", end);
  const start = async () => {
    child = spawn(process.execPath, [resolve("selfhost/start.ts")], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env.PATH,
        // On a busy machine the store may take seconds to reply.
        STORE_TIMEOUT_MS: "30000",
        PORT: String(port),
        ...(redis && { REDIS_URL: redis.url }),
        ...env,
      },
    });
    output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
    while (!output.includes("memX is ready on ")) {
      if (child.exitCode !== null) throw new Error(`memX ended before it was ready:\n${output}`);
      await new Promise((wait) => setTimeout(wait, 20));
    }
  };
  await start();
  return {
    url,
    redis,
    pid: () => child?.pid as number,
    output: () => output,
    async call(path, { apiKey = "local_dev_key", body, agent, method = body === undefined ? "GET" : "POST" } = {}) {
      const headers = {
        "x-api-key": apiKey,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(agent && { "x-memx-agent": agent }),
      };
      const response = await fetch(url + path, { method, headers, ...(body !== undefined && { body }) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path} responds with ${response.status}: ${text}`);
      return text;
    },
    kill,
    start,
    async close() {
      process.off("exit", end);
      await kill();
      await redis?.stop();
      await rm(folder, { recursive: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

function responds(url: string): Promise<boolean> {
  return fetch(`${url}/openapi.json`).then(
    () => true,
    () => false,
  );
}
