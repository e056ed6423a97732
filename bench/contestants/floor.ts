// The bare Worker of bench/floor, on the same workerd and the same bridged Redis as memX.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WORKERD } from "../../selfhost/workerd.ts";
import { freePort } from "../../test/support/free-port.ts";
import { startServer } from "../processes.ts";
import { type Contestant, expectOk } from "./contestant.ts";
import type { BridgedRedis } from "./redis.ts";

const require = createRequire(import.meta.url);

/** Bundles it the same way as memX. */
export function buildFloor(): void {
  const wrangler = join(require.resolve("wrangler/package.json"), "../bin/wrangler.js");
  execFileSync(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", "dist"], {
    cwd: "bench/floor",
    stdio: "pipe",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
  });
}

export async function startFloor(redis: BridgedRedis): Promise<Contestant> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-floor-"));
  const sha = await redis.command("SCRIPT", "LOAD", "return 'constant'");
  const server = await startServer(
    WORKERD,
    [
      "serve",
      "bench/floor/floor.capnp",
      "--socket-addr",
      `http=127.0.0.1:${port}`,
      "--directory-path",
      `disk=${folder}`,
    ],
    {
      env: { BRIDGE_URL: redis.url, BRIDGE_TOKEN: redis.token, SCRIPT_SHA: sha },
      ready: () => expectOk(`http://127.0.0.1:${port}/evalsha`, { method: "POST", body: "{}" }),
    },
  );
  return {
    name: "floor",
    port,
    headers: {},
    pids: [server.pid, ...redis.pids],
    output: server.output,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
