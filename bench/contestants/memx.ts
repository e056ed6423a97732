// memX as it runs in production on one's own machine, on either store, in data of its own.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../../test/free-port.ts";
import { startServer } from "../processes.ts";
import { answers, type Contestant } from "./contestant.ts";
import type { BridgedRedis } from "./redis.ts";

const require = createRequire(import.meta.url);

/** So many that each may have its 1,000 sockets in a channel. */
export const API_KEYS = Array.from({ length: 10 }, (_, n) => `bench-key-${n}`);

export function buildMemx(): void {
  const wrangler = join(require.resolve("wrangler/package.json"), "../bin/wrangler.js");
  execFileSync(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", "dist"], {
    stdio: "pipe",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
  });
}

export type Memx = Contestant & { readonly folder: string };

export async function startMemx({
  redis,
  counting = false,
}: {
  redis?: BridgedRedis | undefined;
  /** Behind bench/counting.js, which counts calls. */
  counting?: boolean;
} = {}): Promise<Memx> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-"));
  const settings: Record<string, string> = {
    MEMX_ACL: JSON.stringify(Object.fromEntries(API_KEYS.map((key) => [key, ["*"]]))),
    ...(redis && { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: redis.token }),
  };
  const dist = resolve("dist");
  const scripts = readdirSync(dist).filter((file) => file.endsWith(".lua"));
  const config = `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [
        (name = "main", worker = (
          modules = [
            ${counting ? `(name = "counting.js", esModule = embed "../bench/counting.js"),` : ""}
            (name = "index.js", esModule = embed "index.js"),
            ${scripts.map((file) => `(name = "${file}", text = embed "${file}"),`).join("\n")}
          ],
          compatibilityDate = "2026-11-01",
          compatibilityFlags = ["nodejs_als"],
          bindings = [
            ${Object.entries(settings)
              .map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)}),`)
              .join("\n")}
            (name = "CHANNEL", durableObjectNamespace = "Channel"),
            (name = "EMBEDDED_STORE", durableObjectNamespace = "EmbeddedStore"),
          ],
          durableObjectNamespaces = [
            (className = "Channel", uniqueKey = "channel", enableSql = true),
            (className = "EmbeddedStore", uniqueKey = "store", enableSql = true),
          ],
          durableObjectStorage = (localDisk = "disk"),
        )),
        (name = "disk", disk = (path = "${folder}", writable = true)),
        (name = "internet", network = (allow = ["public", "private", "local"])),
      ],
      sockets = [(name = "http", address = "127.0.0.1:${port}", service = "main")],
    );`;
  const configFile = join(dist, `bench-${port}.capnp`);
  writeFileSync(configFile, config);
  const headers = { "x-api-key": API_KEYS[0] ?? "" };
  const server = await startServer(require.resolve("workerd/bin/workerd"), ["serve", configFile], {
    ready: () => answers(`http://127.0.0.1:${port}/get?key=ready`, { headers }),
  });
  return {
    name: redis ? "memX on Redis" : "memX embedded",
    port,
    headers,
    pids: [server.pid, ...(redis?.pids ?? [])],
    folder,
    async stop() {
      await server.stop();
      rmSync(configFile);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
