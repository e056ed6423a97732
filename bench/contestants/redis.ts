// A Redis with memX's bridge in front, each in its own process. memX and the floor share both.

import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { startServer } from "../processes.ts";

const TOKEN = "bench";

export type BridgedRedis = {
  readonly port: number;
  readonly url: string;
  readonly token: string;
  readonly folder: string;
  readonly pids: readonly number[];
  command(...parts: string[]): Promise<string>;
  stop(): Promise<void>;
};

export async function startBridgedRedis(): Promise<BridgedRedis> {
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-redis-"));
  const [port, bridgePort] = [await freePort(), await freePort()];
  // What docs/storage.md requires if at most the last second may be lost.
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "yes"];
  const redisUrl = `redis://127.0.0.1:${port}`;
  const listens = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve();
      }).once("error", reject);
    });
  const redis = await startServer("redis-server", args, { ready: listens });
  const url = `http://127.0.0.1:${bridgePort}`;
  const command = async (...parts: string[]): Promise<string> => {
    const response = await fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify(parts),
    });
    const { result, error } = (await response.json()) as { result?: unknown; error?: string };
    if (error !== undefined) throw new Error(`Redis: ${error}`);
    return String(result);
  };
  const bridge = await startServer(process.execPath, ["selfhost/redis.ts", "--any-command"], {
    env: { REDIS_URL: redisUrl, REDIS_BRIDGE_PORT: `${bridgePort}`, UPSTASH_REDIS_REST_TOKEN: TOKEN },
    ready: () => command("PING"),
  });
  return {
    port,
    url,
    token: TOKEN,
    folder,
    pids: [redis.pid, bridge.pid],
    command,
    async stop() {
      await bridge.stop();
      await redis.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
