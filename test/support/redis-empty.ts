// Runs before each test file on Redis, which outlives it, where an embedded store is the file's own.

import { env } from "cloudflare:workers";
import { inject } from "vitest";

// Nobody's own Redis, whatever the configuration says.
if (env.UPSTASH_REDIS_REST_URL !== inject("redis").url) {
  throw new Error("The tests only empty the Redis that redis-setup.ts started.");
}
const response = await fetch(env.UPSTASH_REDIS_REST_URL as string, {
  method: "POST",
  headers: { authorization: `Bearer ${env.UPSTASH_REDIS_REST_TOKEN}` },
  body: '["FLUSHALL"]',
});
if (!response.ok) throw new Error(`Redis can not be emptied: ${await response.text()}`);
