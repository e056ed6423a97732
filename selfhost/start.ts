// `npm start`: runs memX in production on your own machine. Reads the settings, starts workerd, and the bridge if
// REDIS_URL is set; calls the sweep each minute, as Cloudflare's cron trigger does; stops everything in order. It does
// not build.

import { createServer } from "node:net";
import { join } from "node:path";
import { callLimit } from "../config/call-limit.ts";
import { metricsToken } from "../config/metrics-token.ts";
import { readPublicProject } from "../config/public-project.ts";
import { logLength, quota, storeTimeouts } from "../config/store-settings.ts";
import { subrequestLimit } from "../config/subrequests.ts";
import { openDataFolder } from "./data-folder.ts";
import { removeEmptyFiles } from "./empty-files.ts";
import { type RedisBridge, startRedisBridge } from "./redis-bridge.ts";
import { REDIS_TIMEOUT_MS, withoutPassword } from "./redis-connection.ts";
import { runWorkerd } from "./workerd.ts";

const READY_MS = 20_000;

await start().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});

async function start(): Promise<void> {
  loadSettings();
  const { env } = process;
  const host = settingOf(env, "MEMX_HOST", "HOST") ?? "127.0.0.1";
  const address = await freeAddress(host, settingOf(env, "MEMX_PORT", "PORT") ?? "8000");
  const dataFolder = openDataFolder(env.MEMX_DATA_DIR || "data");
  removeEmptyFiles(join(dataFolder, "channel"));
  const bridge = await openBridge(env);

  const workerd = runWorkerd({
    address,
    dataFolder,
    env: {
      ...env,
      ...(bridge && { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: bridge.token }),
    },
  });
  let exitCode: number | undefined;
  const end = (code: number) => {
    if (exitCode !== undefined) return;
    exitCode = code;
    workerd.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end(0));
  // npm runs this in a shell, which exits on a signal without passing it on.
  const parent = process.ppid;
  if (env.npm_lifecycle_event === "start") setInterval(() => process.ppid === parent || end(0), 500).unref();
  workerd.ended.then(async (code) => {
    await bridge?.close();
    if (exitCode === undefined) console.error(`workerd exited unexpectedly with code ${code}.`);
    process.exit(exitCode ?? (code || 1));
  });

  const ports = await workerd.listening;
  // A client cannot call "all addresses of this machine".
  const local = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  const url = (name: string, port: number) => `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
  try {
    const { store, warnings = [] } = await health(url(local, ports.http));
    const closed = await whyClosed(url(local, ports.http));
    if (closed && env.MEMX_ACL && !env.SUPABASE_URL && !env.SUPABASE_SERVICE_KEY) throw new Error(closed);
    if (store === "redis") sweepEachMinute(url("127.0.0.1", ports.sweep));
    const place = env.REDIS_URL
      ? `the Redis at ${withoutPassword(env.REDIS_URL)}`
      : "Redis over Upstash's REST protocol";
    console.log(
      `memX is ready on ${url(host, ports.http)}   store: ${store === "redis" ? place : "embedded"}   data: ${dataFolder}`,
    );
    // The bridge has said the same of its Redis.
    if (!bridge) for (const { detail } of warnings) console.warn(detail);
    if (closed) console.log(`Every request will be refused. ${closed}`);
  } catch (error) {
    // With an exit code, this process is already stopping.
    if (exitCode === undefined) console.error((error as Error).message);
    end(1);
  }
}

/**
 * Loads a `.env` file from the working directory; the environment takes precedence.
 * @throws {Error} for an invalid setting
 */
function loadSettings(): void {
  try {
    process.loadEnvFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  callLimit(process.env);
  logLength(process.env);
  metricsToken(process.env);
  quota(process.env);
  storeTimeouts(process.env);
  subrequestLimit(process.env);
  readPublicProject(process.env);
}

/** Reads a setting by its name, or else by its old name, with a warning. */
function settingOf(env: NodeJS.ProcessEnv, name: string, oldName: string): string | undefined {
  const value = env[name];
  if (value) return value;
  const old = env[oldName];
  if (!old) return undefined;
  console.warn(
    `memX listens on ${oldName}=${old}. Call this setting ${name}, because shells and other programs set ${oldName} too.`,
  );
  return old;
}

/** The address in workerd's format. @throws {Error} if this process cannot listen there */
async function freeAddress(host: string, port: string): Promise<string> {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Error("MEMX_PORT must be a number from 0 to 65535.");
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(Number(port), host, resolve));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") {
      throw new Error(
        `Port ${port} on ${host} is in use. Stop the program that listens there, or set MEMX_PORT to another port.`,
      );
    }
    if (code === "EACCES")
      throw new Error(`This user is not allowed to listen on port ${port}. Set MEMX_PORT to 1024 or higher.`);
    throw new Error(`MEMX_HOST: memX cannot listen on ${host} (${code}).`);
  }
  const bound = server.address() as { address: string };
  await new Promise((resolve) => server.close(resolve));
  return `${bound.address.includes(":") ? `[${bound.address}]` : bound.address}:${port}`;
}

async function openBridge(env: NodeJS.ProcessEnv): Promise<RedisBridge | undefined> {
  if (!env.REDIS_URL) return undefined;
  if (env.UPSTASH_REDIS_REST_URL || env.UPSTASH_REDIS_REST_TOKEN) {
    throw new Error("REDIS_URL and UPSTASH_REDIS_REST_* name two stores. Set only one of them.");
  }
  // The bridge must not give up before memX does.
  const timeoutMs = Math.max(REDIS_TIMEOUT_MS, storeTimeouts(env).requestMs);
  return startRedisBridge({ redisUrl: env.REDIS_URL, port: 0, timeoutMs });
}

/** Waits until the store responds, and returns what it says. @throws {Error} with the problem if it does not in time */
async function health(url: string): Promise<ResponseBody> {
  const end = performance.now() + READY_MS;
  for (;;) {
    const { status, body } = await getJson(`${url}/health`);
    if (status === 200) return body;
    if (performance.now() > end) throw new Error(body.detail ?? `${url}/health responds with ${status}.`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Why memX refuses every request, if it does: the problem that it reports for an unknown API key. */
async function whyClosed(url: string): Promise<string | undefined> {
  const { status, body } = await getJson(`${url}/get?key=a`, { "x-api-key": crypto.randomUUID() });
  return status === 503 ? body.detail : undefined;
}

async function getJson(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: ResponseBody }> {
  const response = await fetch(url, { headers });
  return { status: response.status, body: (await response.json()) as ResponseBody };
}

type ResponseBody = {
  readonly store: string;
  readonly warnings?: readonly { readonly detail: string }[];
  readonly detail?: string;
};

function sweepEachMinute(url: string): void {
  const sweep = () =>
    fetch(url).catch(() =>
      console.warn("memX could not remove expired values from Redis. It tries again in a minute."),
    );
  setInterval(sweep, 60_000).unref();
  sweep();
}
