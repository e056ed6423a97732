// Runs before the tests of a project that needs Redis: starts a Redis and a REST bridge, and stops both afterward.

import { randomUUID } from "node:crypto";
import type { TestProject } from "vitest/node";
import { startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { freePort } from "./free-port.ts";
import { startRedisServer } from "./redis-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    redis: { readonly url: string; readonly token: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redis = await startRedisServer();
  const token = randomUUID();
  const bridge = await startRedisBridge({ redisUrl: redis.url, token, port: await freePort() });
  project.provide("redis", { url: bridge.url, token });
  return async () => {
    await bridge.close();
    await redis.stop();
  };
}
