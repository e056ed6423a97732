// memX as `npm start` serves it, on either store and with its own data. Without selfhost/start.ts, which adds waiting
// time.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WORKERD, workerdArguments } from "../../selfhost/workerd.ts";
import { freePort } from "../../test/support/free-port.ts";
import { startServer } from "../processes.ts";
import { type Contestant, expectOk } from "./contestant.ts";
import type { BridgedRedis } from "./redis.ts";

const CONFIG = "config/workerd.capnp";
/** In dist/, because the paths of its modules are relative to the file. */
const COUNTING_CONFIG = "dist/counting.capnp";

/** Five, because each API key may have 1,000 sockets in a channel. */
export const API_KEYS = Array.from({ length: 5 }, (_, n) => `bench-key-${n}`);

export type Memx = Contestant & { readonly folder: string };

export async function startMemx({
  redis,
  counting = false,
  settings = {},
  config = counting ? COUNTING_CONFIG : CONFIG,
}: {
  redis?: BridgedRedis | undefined;
  /** Runs bench/counting.js around the bundle, which counts calls and rows. */
  counting?: boolean;
  settings?: Readonly<Record<string, string>>;
  /** A file that describes the server to workerd. */
  config?: string;
} = {}): Promise<Memx> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-"));
  if (counting) writeFileSync(COUNTING_CONFIG, countingConfig());
  const headers = { "x-api-key": API_KEYS[0] ?? "" };
  const args = workerdArguments({ address: `127.0.0.1:${port}`, dataFolder: folder, config });
  const server = await startServer(WORKERD, args, {
    env: {
      // Ignores the settings that the environment has for another memX.
      ...{ SUPABASE_URL: "", SUPABASE_SERVICE_KEY: "", SUPABASE_ANON_KEY: "", REVOCATION_SECONDS: "" },
      ...{ LOG_LENGTH: "", MAX_NAMESPACE_KEYS: "", MAX_NAMESPACE_BYTES: "", SUBREQUEST_LIMIT: "" },
      ...{ MEMX_PROCESS: "", REGION: "", RELAY_KEEP: "", RELAY_LEAF: "", MCP_ORIGINS: "" },
      ...{ METRICS_TOKEN: "", METRICS_PORT: "" },
      // A slow minute of the machine makes numbers worse, but does not end the run.
      STORE_TIMEOUT_MS: "30000",
      // The bench measures what memX can do, with a few API keys.
      RATE_LIMIT: "0",
      MEMX_ACL: JSON.stringify(Object.fromEntries(API_KEYS.map((key) => [key, ["*"]]))),
      UPSTASH_REDIS_REST_URL: redis?.url ?? "",
      UPSTASH_REDIS_REST_TOKEN: redis?.token ?? "",
      ...settings,
    },
    ready: () => expectOk(`http://127.0.0.1:${port}/get?key=ready`, { headers }),
  });
  return {
    name: redis ? "memX on Redis" : "memX embedded",
    port,
    headers,
    pids: [server.pid, ...(redis?.pids ?? [])],
    folder,
    output: server.output,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** workerd runs the first module. */
function countingConfig(): string {
  const config = readFileSync(CONFIG, "utf8");
  const first = "modules = [";
  if (config.split(first).length !== 2) throw new Error(`${CONFIG} must contain "${first}" exactly once`);
  return config.replace(first, `${first} ( name = "counting.js", esModule = embed "../bench/counting.js" ),`);
}
