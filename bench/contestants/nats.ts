// The key-value store of NATS, on JetStream, through the official client.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { versionOf } from "../../scripts/debian.ts";
import { freePort } from "../../test/support/free-port.ts";
import { startServer } from "../processes.ts";
import type { KeyValue } from "./contestant.ts";

/** Of what this file builds if the system's nats-server is too old. */
const VERSION = "2.15.2";
const FOLDER = resolve("bench/.nats");
const BUILT = join(FOLDER, "nats-server");

/** The nats-server to start; `undefined` if the system has none that knows `sync_interval`, which 2.10 brought. */
export function findNats(): string | undefined {
  if (existsSync(BUILT)) return BUILT;
  const [major = 0, minor = 0] = (versionOf("nats-server") ?? "").split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 10) ? "nats-server" : undefined;
}

/** Tries to build one in a folder of the bench. It needs Go, and takes about a minute. */
export function buildNats(): void {
  console.log(`Building nats-server ${VERSION} with Go, because the system has none of 2.10 or later.`);
  const { error, status, stderr } = spawnSync("go", ["install", `github.com/nats-io/nats-server/v2@v${VERSION}`], {
    env: { ...process.env, GOBIN: FOLDER },
    encoding: "utf8",
  });
  if (status !== 0) console.error(`go install failed: ${error?.message ?? stderr}`);
}

/** @param sync each put before its response. By default NATS syncs every two minutes. */
export async function startNats({ sync }: { sync: boolean }): Promise<KeyValue> {
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-nats-"));
  const port = await freePort();
  const config = join(folder, "nats.conf");
  const syncInterval = sync ? ", sync_interval: always" : "";
  writeFileSync(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}"${syncInterval} }\n`);
  const open = () => connect({ servers: `127.0.0.1:${port}` });
  const server = await startServer(findNats() ?? "nats-server", ["-c", config], {
    ready: async () => (await open()).close(),
  });
  const connection = await open();
  // One revision of each key, in a file: the defaults.
  const bucket = await new Kvm(connection).create("bench");
  // NATS allows no colon in a key.
  const keyOf = (key: string) => key.replaceAll(":", ".");
  return {
    name: sync ? "NATS KV, sync each" : "NATS KV",
    pids: [server.pid],
    output: server.output,
    async get(key) {
      if (!(await bucket.get(keyOf(key)))?.string().includes("researcher")) throw new Error(`NATS has no ${key}`);
    },
    async set(key, text) {
      if (!((await bucket.put(keyOf(key), text)) > 0)) throw new Error(`NATS did not put ${key}`);
    },
    async stop() {
      await connection.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
