// Runs before each test file on Redis, because all files share one Redis, whereas each file has its own embedded store.

import { env } from "cloudflare:workers";
import { inject } from "vitest";

// Never empty a Redis of the person who runs the tests, whatever the configuration says.
if (env.UPSTASH_REDIS_REST_URL !== inject("redis").url) {
  throw new Error("The tests must only empty the Redis that redis-setup.ts started.");
}
const response = await fetch(env.UPSTASH_REDIS_REST_URL as string, {
  method: "POST",
  headers: { authorization: `Bearer ${env.UPSTASH_REDIS_REST_TOKEN}` },
  body: '["FLUSHALL"]',
});
if (!response.ok) throw new Error(`The tests cannot empty Redis: ${await response.text()}`);
