// Runs before each test file on Redis, which outlives it, where an embedded store is the file's own.

import { env } from "cloudflare:workers";

const response = await fetch(env.UPSTASH_REDIS_REST_URL as string, {
  method: "POST",
  headers: { authorization: `Bearer ${env.UPSTASH_REDIS_REST_TOKEN}` },
  body: '["FLUSHALL"]',
});
if (!response.ok) throw new Error(`Redis can not be emptied: ${await response.text()}`);
