// `npm run dev`: memX on wrangler dev, for people. Adds what makes a local run quiet and open to config/acl.json, and
// passes every argument on. With --redis (`npm run dev:redis`) the store is the Redis at REDIS_URL, through a bridge in
// this process. Ends when whoever started it does, so that no server is left behind on the port.

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

if (await answer("/health")) {
  console.error(`Something answers on ${address} already: end it, or choose another port with -- --port 8123.`);
  process.exit(1);
}

const bridge = values.redis
  ? await startRedisBridge({ redisUrl: REDIS_URL, port: 0 }).catch((error) => {
      console.error(error.message);
      process.exit(1);
    })
  : undefined;

const wrangler = spawn(
  // This Node rather than the machine's, which may be too old.
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
    // Nothing to warn of: what the cron trigger would do is done below.
    "--test-scheduled",
    ...process.argv.slice(2).filter((arg) => arg !== "--redis"),
  ],
  {
    stdio: ["ignore", "inherit", "inherit"],
    // Usage figures, the request.cf lookup, and the banner with its version check are all that would use the internet.
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

// What a deployment's cron trigger does. Wrangler leaves it to whoever develops.
if (bridge) setInterval(() => answer("/__scheduled"), 60_000).unref();

while (!(await answer("/health"))?.ok) await new Promise((resolve) => setTimeout(resolve, 200));
// A MEMX_ACL or Supabase in .dev.vars takes the place of config/acl.json, and may not know this key.
const open = (await answer("/get?key=agent:goal", { "x-api-key": "local_dev_key" }))?.ok;
const key = open ? "local_dev_key" : "YOUR_API_KEY";
console.log(`
memX is ready on ${address}   API key: ${open ? key : "as configured"}   reference: ${address}/docs
${bridge ? `Its store is the Redis at ${withoutPassword(REDIS_URL)}.\n` : ""}
  curl ${address}/set -H 'x-api-key: ${key}' -H 'content-type: application/json' -d '{"key":"agent:goal","value":{"x":1}}'
`);

async function answer(path: string, headers: Record<string, string> = {}): Promise<Response | undefined> {
  try {
    return await fetch(address + path, { headers });
  } catch {
    return undefined;
  }
}
