// Two memX processes on one Redis, as at two locations of Cloudflare: every channel and the relays of the region "enam" are in
// the first, the relays of "weur" in the second.

import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RedisBridge, startRedisBridge } from "../../../selfhost/redis-bridge.ts";
import { freePort } from "../../support/free-port.ts";
import { startRedisServer } from "../../support/redis-server.ts";
import { newDisk, startWorkerd, type Workerd } from "./workerd.ts";

const TOKEN = "a-token";
const [HOME, FAR] = ["enam", "weur"];

export type Regions = { readonly home: Workerd; readonly far: Workerd; stop(): Promise<void> };

/** Resolves when both respond. They end after the test, and Redis with `stop`. */
export async function startRegions(settings: Readonly<Record<string, string>>): Promise<Regions> {
  const redis = await startRedisServer();
  const config = writeConfig();
  const ports = [await freePort(), await freePort()] as const;
  const bridges: RedisBridge[] = [];
  const processes: Workerd[] = [];
  for (const [n, REGION] of [HOME, FAR].entries()) {
    const bridge = await startRedisBridge({ redisUrl: redis.url, token: TOKEN, port: 0, timeoutMs: 30_000 });
    bridges.push(bridge);
    const bindings = {
      ...settings,
      UPSTASH_REDIS_REST_URL: bridge.url,
      UPSTASH_REDIS_REST_TOKEN: TOKEN,
      REGION: REGION as string,
      HOME: HOME as string,
      OTHER_PROCESS: `127.0.0.1:${ports[1 - n]}`,
    };
    processes.push(await startWorkerd({ bindings, config, options: [`--debug-port=127.0.0.1:${ports[n]}`] }));
  }
  const [home, far] = processes as [Workerd, Workerd];
  return {
    home,
    far,
    async stop() {
      for (const bridge of bridges) await bridge.close();
      await redis.stop();
    },
  };
}

/** Returns the path of memX's configuration with region-worker.js in front. */
function writeConfig(): string {
  const folder = newDisk();
  mkdirSync(join(folder, "config"));
  cpSync("dist", join(folder, "dist"), { recursive: true });
  copyFileSync(join(import.meta.dirname, "region-worker.js"), join(folder, "dist/region-worker.js"));
  const bindings = `( name = "OTHER_REGION", workerdDebugPort = void ),
    ( name = "OTHER_PROCESS", fromEnvironment = "OTHER_PROCESS" ),
    ( name = "HOME", fromEnvironment = "HOME" ),`;
  const text = readFileSync("config/workerd.capnp", "utf8")
    .replace(
      "modules = [",
      'modules = [\n    ( name = "region-worker.js", esModule = embed "../dist/region-worker.js" ),',
    )
    .replace("bindings = [", `bindings = [\n    ${bindings}`);
  const path = join(folder, "config/workerd.capnp");
  writeFileSync(path, text);
  return path;
}
