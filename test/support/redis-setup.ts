// Runs before the tests of a project on Redis. vitest.config.ts asks it for a Redis and a REST bridge per test file, so that
// files can run at the same time. Stops all of them afterward.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { startRedisServer } from "./redis-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A GET starts a Redis. The response has the `url` and the `token` of its bridge. */
    redis: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stops: (() => Promise<void>)[] = [];
  const server = createServer(async (_, response) => {
    try {
      const redis = await startRedisServer();
      stops.push(redis.stop);
      const { url, token, close } = await startRedisBridge({
        redisUrl: redis.url,
        port: 0,
        timeoutMs: 30_000,
        // Tests look into Redis through the bridge.
        anyCommand: true,
      });
      stops.push(close);
      response.end(JSON.stringify({ url, token }));
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  project.provide("redis", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.close();
    server.closeAllConnections();
    for (const stop of stops.reverse()) await stop();
  };
}
