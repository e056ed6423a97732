// `npm run dev`: runs memX on wrangler dev for development. Accepts the API keys of config/acl.json, makes wrangler
// quiet, and passes every argument on. With --redis (`npm run dev:redis`) the store is the Redis at REDIS_URL, through
// a bridge in this process. Exits when its parent process does, so that no server stays behind on the port.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { startRedisBridge } from "../selfhost/redis-bridge.ts";
import { REDIS_URL, withoutPassword } from "../selfhost/redis-connection.ts";

const { values } = parseArgs({
  strict: false,
  options: {
    port: { type: "string", default: "8000" },
    ip: { type: "string", default: "127.0.0.1" },
    redis: { type: "boolean", default: false },
  },
});
const address = `http://${values.ip}:${values.port}`;

if (await get("/health")) {
  console.error(`A server already listens on ${address}. Stop it, or choose another port with -- --port 8123.`);
  process.exit(1);
}

const bridge = values.redis
  ? await startRedisBridge({ redisUrl: REDIS_URL, port: 0 }).catch((error) => {
      console.error(error.message);
      process.exit(1);
    })
  : undefined;

const wrangler = spawn(
  // This Node, because the one on the path may be too old.
  process.execPath,
  [
    join(dirname(createRequire(import.meta.url).resolve("wrangler/package.json")), "bin/wrangler.js"),
    "dev",
    "--var",
    "MEMX_ENV:development",
    ...(bridge
      ? ["--var", `UPSTASH_REDIS_REST_URL:${bridge.url}`, "--var", `UPSTASH_REDIS_REST_TOKEN:${bridge.token}`]
      : []),
    "--show-interactive-dev-session=false",
    // Silences a warning about the cron trigger, which the timer below replaces.
    "--test-scheduled",
    ...process.argv.slice(2).filter((arg) => arg !== "--redis"),
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
memX is ready on ${address}   API key: ${open ? key : "as configured"}   reference: ${address}/docs
${bridge ? `Its store is the Redis at ${withoutPassword(REDIS_URL)}.\n` : ""}
  curl ${address}/set -H 'x-api-key: ${key}' -H 'content-type: application/json' -d '{"key":"agent:goal","value":{"x":1}}'
`);

async function get(path: string, headers: Record<string, string> = {}): Promise<Response | undefined> {
  try {
    return await fetch(address + path, { headers });
  } catch {
    return undefined;
  }
}
