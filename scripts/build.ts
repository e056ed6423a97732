// `npm run build`: writes the bundle that a deploy uploads into dist/, where config/workerd.capnp reads it.

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

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
