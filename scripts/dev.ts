// `npm run dev`: runs memX on wrangler dev for development. Accepts the API keys of config/acl.json, makes wrangler
// quiet, and passes every argument on. Without --ip and --port it listens on MEMX_HOST and MEMX_PORT. With --redis
// (`npm run dev:redis`) the store is the Redis at REDIS_URL, through a bridge in this process. Exits when its parent
// process does, so that no server stays behind on the port.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { startRedisBridge } from "../selfhost/redis-bridge.ts";
import { REDIS_URL, withoutPassword } from "../selfhost/redis-connection.ts";
import { buildAssets } from "./build-assets.ts";
import { buildMcpSdk } from "./build-mcp-sdk.ts";

const { values } = parseArgs({
  strict: false,
  options: {
    port: { type: "string", default: process.env.MEMX_PORT || "8000" },
    ip: { type: "string", default: process.env.MEMX_HOST || "127.0.0.1" },
    redis: { type: "boolean", default: false },
    "env-file": { type: "string", multiple: true, default: [] },
  },
});
const address = `http://${values.ip}:${values.port}`;

if (await get("/health")) {
  console.error(`A server already listens on ${address}. Stop it, or choose another port with -- --port 8123.`);
  process.exit(1);
}

await buildAssets();
await buildMcpSdk();

const bridge = values.redis
  ? await startRedisBridge({ redisUrl: REDIS_URL, port: 0 }).catch((error) => {
      console.error(error.message);
      process.exit(1);
    })
  : undefined;

// In a file that only this user can read, because every user of the machine can read the arguments of a process.
const settings = bridge && mkdtempSync(join(tmpdir(), "memx-dev-"));
const envFiles: string[] = [];
if (bridge && settings) {
  const file = join(settings, "redis");
  const lines = `UPSTASH_REDIS_REST_URL=${bridge.url}\nUPSTASH_REDIS_REST_TOKEN=${bridge.token}\n`;
  writeFileSync(file, lines, { mode: 0o600 });
  // Once a file is named, wrangler does not read those that it reads by default.
  const byDefault = existsSync(".dev.vars") ? [".dev.vars"] : [".env", ".env.local"].filter((name) => existsSync(name));
  envFiles.push(...((values["env-file"] as string[]).length > 0 ? [] : byDefault), file);
}

const wrangler = spawn(
  // This Node, because the one on the path may be too old.
  process.execPath,
  [
    join(dirname(createRequire(import.meta.url).resolve("wrangler/package.json")), "bin/wrangler.js"),
    "dev",
    "--var",
    "MEMX_ENV:development",
    "--show-interactive-dev-session=false",
    // Silences a warning about the cron trigger, which the timer below replaces.
    "--test-scheduled",
    ...(["ip", "port"] as const).filter((name) => !isArgument(name)).map((name) => `--${name}=${values[name]}`),
    ...process.argv.slice(2).filter((arg) => arg !== "--redis"),
    // The last file wins.
    ...envFiles.flatMap((file) => ["--env-file", file]),
  ],
  {
    stdio: ["ignore", "inherit", "inherit"],
    // Without these, wrangler uses the internet: for metrics, for request.cf, and for the version check of its banner.
    env: {
      WRANGLER_SEND_METRICS: "false",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      WRANGLER_HIDE_BANNER: "true",
      ...process.env,
    },
  },
);
wrangler.on("exit", async (code) => {
  if (settings) rmSync(settings, { recursive: true, force: true });
  await bridge?.close();
  process.exit(code ?? 1);
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => wrangler.kill("SIGTERM"));

const parent = process.ppid;
setInterval(() => process.ppid === parent || wrangler.kill("SIGTERM"), 500).unref();

// Replaces the cron trigger of a deployment, which wrangler dev does not run.
if (bridge) setInterval(() => get("/__scheduled"), 60_000).unref();

while (!(await get("/health"))?.ok) await new Promise((resolve) => setTimeout(resolve, 200));
// MEMX_ACL or Supabase in .dev.vars replaces config/acl.json, and may lack this key.
const open = (await get("/get?key=agent:goal", { "x-api-key": "local_dev_key" }))?.ok;
const key = open ? "local_dev_key" : "YOUR_API_KEY";
console.log(`
memX is ready on ${address}   API key: ${open ? key : "as configured"}   dashboard: ${address}   reference: ${address}/docs
${bridge ? `Its store is the Redis at ${withoutPassword(REDIS_URL)}.\n` : ""}
  curl ${address}/set -H 'x-api-key: ${key}' -H 'content-type: application/json' -d '{"key":"agent:goal","value":{"x":1}}'
`);

function isArgument(name: string): boolean {
  return process.argv.some((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
}

async function get(path: string, headers: Record<string, string> = {}): Promise<Response | undefined> {
  try {
    return await fetch(address + path, { headers });
  } catch {
    return undefined;
  }
}
