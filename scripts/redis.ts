// `npm run redis`: the bridge from memX to a plain Redis, as a process of its own.

import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { startRedisBridge, withoutPassword } from "./redis-bridge.ts";

const { env } = process;

try {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: env.HOST || "127.0.0.1" },
      port: { type: "string", default: env.PORT || "8079" },
    },
  });
  const redisUrl = env.REDIS_URL || "redis://127.0.0.1:6379/0";
  const given = env.UPSTASH_REDIS_REST_TOKEN;
  const token = given || randomBytes(24).toString("base64url");
  const bridge = await startRedisBridge({ redisUrl, token, host: values.host, port: Number(values.port) });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, async () => {
      await bridge.close();
      process.exit(0);
    });
  }
  console.log(`
The bridge to Redis at ${withoutPassword(redisUrl)} is ready on ${bridge.url}. For memX, put into .dev.vars:

UPSTASH_REDIS_REST_URL=${bridge.url}
UPSTASH_REDIS_REST_TOKEN=${given ? "(the one that is set here)" : token}
`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
