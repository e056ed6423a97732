// `npm run dev`: memX on wrangler dev, for people. Adds what makes a local run quiet and open to config/acl.json, and
// passes every argument on. Ends when whoever started it does, so that no server is left behind on the port.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  strict: false,
  options: { port: { type: "string", default: "8000" }, ip: { type: "string", default: "127.0.0.1" } },
});
const address = `http://${values.ip}:${values.port}`;

if (await health()) {
  console.error(`Something answers on ${address} already: end it, or choose another port with -- --port 8123.`);
  process.exit(1);
}

const wrangler = spawn(
  // This Node rather than the machine's, which may be too old.
  process.execPath,
  [
    join(dirname(createRequire(import.meta.url).resolve("wrangler/package.json")), "bin/wrangler.js"),
    "dev",
    "--var",
    "MEMX_ENV:development",
    "--show-interactive-dev-session=false",
    ...process.argv.slice(2),
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
wrangler.on("exit", (code) => process.exit(code ?? 1));

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => wrangler.kill("SIGTERM"));

const parent = process.ppid;
setInterval(() => process.ppid === parent || wrangler.kill("SIGTERM"), 500).unref();

while (!(await health())?.ok) await new Promise((resolve) => setTimeout(resolve, 200));
console.log(`
memX is ready on ${address}   API key: local_dev_key   reference: ${address}/docs

  curl ${address}/set -H 'x-api-key: local_dev_key' -H 'content-type: application/json' -d '{"key":"agent:goal","value":{"x":1}}'
`);

async function health(): Promise<Response | undefined> {
  try {
    return await fetch(`${address}/health`);
  } catch {
    return undefined;
  }
}
