// A Redis with memX's bridge in front, each in its own process, which memX and the floor share. And a Redis without it,
// to compare memX with.

import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { freePort } from "../../test/support/free-port.ts";
import { startServer } from "../processes.ts";
import type { KeyValue } from "./contestant.ts";

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

export type Fsync = "everysec" | "always";

/** A Redis with its own data that appends every write to a file. */
export async function startRedis(appendfsync: Fsync) {
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-redis-"));
  const port = await freePort();
  const listens = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve();
      }).once("error", reject);
    });
  const redis = await startServer(
    "redis-server",
    [
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder],
      ...["--save", "", "--appendonly", "yes", "--appendfsync", appendfsync],
    ],
    { ready: listens },
  );
  return {
    port,
    pid: redis.pid,
    folder,
    output: redis.output,
    async stop() {
      await redis.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function startBridgedRedis(): Promise<BridgedRedis> {
  // What docs/storage.md requires if at most the last second may be lost.
  const redis = await startRedis("everysec");
  const { port, folder } = redis;
  const bridgePort = await freePort();
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
    env: {
      REDIS_URL: `redis://127.0.0.1:${port}`,
      REDIS_BRIDGE_PORT: `${bridgePort}`,
      UPSTASH_REDIS_REST_TOKEN: TOKEN,
    },
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
    },
  };
}

/** Redis itself, through one connection of its client, which sends in one write what is called in one turn. */
export async function startRedisClient(appendfsync: Fsync): Promise<KeyValue> {
  const redis = await startRedis(appendfsync);
  const client = createClient({ url: `redis://127.0.0.1:${redis.port}` });
  client.on("error", () => undefined); // Each call rejects with it.
  await client.connect();
  return {
    name: appendfsync === "always" ? "Redis, sync each" : "Redis",
    pids: [redis.pid],
    output: redis.output,
    async get(key) {
      if (!(await client.get(key))?.includes("researcher")) throw new Error(`Redis has no ${key}`);
    },
    async set(key, text) {
      if ((await client.set(key, text)) !== "OK") throw new Error(`Redis did not set ${key}`);
    },
    async stop() {
      client.destroy();
      await redis.stop();
    },
  };
}
