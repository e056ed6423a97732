// A Redis behind its own REST bridge, for servers that get its address in their settings.

import { afterEach } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../../selfhost/redis-bridge.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";
import type { Engine } from "./self-hosted.ts";

let redis: RedisServer | undefined;
let bridge: RedisBridge | undefined;

afterEach(async () => {
  await bridge?.close();
  await redis?.stop();
  [bridge, redis] = [undefined, undefined];
});

/** The settings of a process as `npm start` runs it, on either engine. */
export async function settingsOf(engine: Engine): Promise<Record<string, string>> {
  return engine === "redis" ? { ...(await startBridgedRedis()), MEMX_PROCESS: "test" } : {};
}

/** Starts both, returns the settings that name the bridge, and stops both after the test. */
export async function startBridgedRedis(): Promise<Record<string, string>> {
  redis = await startRedisServer();
  bridge = await startRedisBridge({ redisUrl: redis.url, port: 0, timeoutMs: 30_000 });
  return { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: bridge.token };
}
