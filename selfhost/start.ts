// `npm start`: runs memX in production on your own machine. Reads the settings, starts the processes that serve, calls the
// sweep each minute, as Cloudflare's cron trigger does, and stops everything in order. It does not build.

import { type AddressInfo, createServer } from "node:net";
import { availableParallelism } from "node:os";
import { callLimit } from "../config/call-limit.ts";
import { metricsPort } from "../config/metrics-port.ts";
import { metricsToken } from "../config/metrics-token.ts";
import { parsePort } from "../config/port.ts";
import { processCount } from "../config/process-count.ts";
import { readPublicProject } from "../config/public-project.ts";
import { relaySettings } from "../config/relay-settings.ts";
import { logLength, quota, storeTimeouts } from "../config/store-settings.ts";
import { subrequestLimit } from "../config/subrequests.ts";
import { openDataFolder, processFolder } from "./data-folder.ts";
import { MemxProcess } from "./memx-process.ts";
import { serveMetrics } from "./metrics-server.ts";
import { withoutPassword } from "./redis-connection.ts";

const READY_MS = 20_000;

await start().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});

async function start(): Promise<void> {
  loadSettings();
  const { env } = process;
  const count = processCount(env, availableParallelism());
  const host = settingOf(env, "MEMX_HOST", "HOST") ?? "127.0.0.1";
  const address = await freeAddress(host, settingOf(env, "MEMX_PORT", "PORT") ?? "8000");
  const dataFolder = openDataFolder(env.MEMX_DATA_DIR || "data");
  const processes: MemxProcess[] = [];
  for (let n = 1; n <= count; n++) {
    const [number, folder] = count === 1 ? [undefined, dataFolder] : [n, processFolder(dataFolder, n)];
    processes.push(await MemxProcess.start({ number, address, dataFolder: folder, env }));
  }
  const wantedPort = metricsPort(env);
  const portOfMetrics = wantedPort === undefined ? undefined : await serveMetrics(wantedPort, processes);
  let exitCode: number | undefined;
  const end = (code: number) => {
    if (exitCode !== undefined) return;
    exitCode = code;
    for (const memx of processes) memx.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end(0));
  // npm and npx run this in a shell, which exits on a signal without passing it on.
  const parent = process.ppid;
  if (/^(start|npx)$/.test(env.npm_lifecycle_event ?? ""))
    setInterval(() => process.ppid === parent || end(0), 500).unref();
  const ended = processes.map(async (memx) => {
    const code = await memx.ended;
    if (exitCode === undefined) console.error(`workerd exited unexpectedly with code ${code}.`);
    end(code || 1);
  });
  void Promise.all(ended).then(() => process.exit(exitCode));

  const [ports] = await Promise.all(processes.map(({ listening }) => listening));
  if (!ports) return;
  // A client cannot call "all addresses of this machine".
  const local = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  const url = (name: string, port: number) => `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
  try {
    const { store, warnings = [] } = await health(url(local, ports.http));
    const closed = await whyClosed(url(local, ports.http));
    if (closed && env.MEMX_ACL && !env.SUPABASE_URL && !env.SUPABASE_SERVICE_KEY) throw new Error(closed);
    if (store === "redis") sweepEachMinute(() => processes.find((memx) => memx.ports)?.ports?.sweep);
    const place = env.REDIS_URL
      ? `the Redis at ${withoutPassword(env.REDIS_URL)}`
      : "Redis over Upstash's REST protocol";
    const parts = [`memX is ready on ${url(host, ports.http)}`, `store: ${store === "redis" ? place : "embedded"}`];
    if (count > 1) parts.push(`processes: ${count}`);
    if (portOfMetrics !== undefined) parts.push(`metrics: http://127.0.0.1:${portOfMetrics}/metrics`);
    console.log([...parts, `data: ${dataFolder}`].join("   "));
    // The bridge has said the same of its Redis.
    if (!env.REDIS_URL) for (const { detail } of warnings) console.warn(detail);
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
  metricsPort(process.env);
  metricsToken(process.env);
  quota(process.env);
  relaySettings(process.env);
  storeTimeouts(process.env);
  subrequestLimit(process.env);
  readPublicProject(process.env);
  const { REDIS_URL, UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN } = process.env;
  if (REDIS_URL && (UPSTASH_REDIS_REST_URL || UPSTASH_REDIS_REST_TOKEN)) {
    throw new Error("REDIS_URL and UPSTASH_REDIS_REST_* name two stores. Set only one of them.");
  }
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

/** @throws {Error} if this process cannot listen there */
async function freeAddress(host: string, text: string): Promise<{ host: string; port: number }> {
  const port = parsePort(text);
  if (port === undefined) throw new Error("MEMX_PORT must be a number from 0 to 65535.");
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
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
  const bound = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return { host: bound.address, port: bound.port };
}

/** Waits until the store responds, and returns what it says. @throws {Error} with the problem if it does not in time */
async function health(url: string): Promise<ResponseBody> {
  const end = performance.now() + READY_MS;
  for (;;) {
    const { status, body, retryAfter } = await getJson(`${url}/health`);
    if (status === 200) return body;
    // A minute or more means that only the operator can help.
    if (retryAfter >= 60 || performance.now() > end)
      throw new Error(body.detail ?? `${url}/health responds with ${status}.`);
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
): Promise<{ status: number; body: ResponseBody; retryAfter: number }> {
  const response = await fetch(url, { headers });
  const retryAfter = Number(response.headers.get("retry-after"));
  return { status: response.status, body: (await response.json()) as ResponseBody, retryAfter };
}

type ResponseBody = {
  readonly store: string;
  readonly warnings?: readonly { readonly detail: string }[];
  readonly detail?: string;
};

/** @param port the socket for it in one of the processes, `undefined` while none serves */
function sweepEachMinute(port: () => number | undefined): void {
  const sweep = () =>
    fetch(`http://127.0.0.1:${port()}`).catch(() =>
      console.warn("memX could not remove expired values from Redis. It tries again in a minute."),
    );
  setInterval(sweep, 60_000).unref();
  sweep();
}
