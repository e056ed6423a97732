// `npm run build`: writes the bundle that a deploy uploads into dist/, and the files that it serves into dashboard/dist/.
// config/workerd.capnp reads both.

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { buildAssets } from "./build-assets.ts";
import { buildMcpSdk } from "./build-mcp-sdk.ts";

await buildAssets();
await buildMcpSdk();

const wrangler = join(dirname(createRequire(import.meta.url).resolve("wrangler/package.json")), "bin/wrangler.js");
try {
  execFileSync(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", "dist"], {
    cwd: join(import.meta.dirname, ".."),
    encoding: "utf8",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
  });
} catch (error) {
  const { stdout, stderr } = error as { stdout: string; stderr: string };
  console.error(stdout + stderr);
  process.exit(1);
}
