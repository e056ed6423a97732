// `npm run redis`: runs the bridge from memX to a plain Redis as its own process.

import { parseArgs } from "node:util";
import { startRedisBridge } from "./redis-bridge.ts";
import { REDIS_URL, withoutPassword } from "./redis-connection.ts";

const { env } = process;

try {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: env.REDIS_BRIDGE_HOST || "127.0.0.1" },
      port: { type: "string", default: env.REDIS_BRIDGE_PORT || "8079" },
      // For the bench, which compares memX with Redis itself.
      "any-command": { type: "boolean", default: false },
    },
  });
  const token = env.UPSTASH_REDIS_REST_TOKEN || undefined;
  const bridge = await startRedisBridge({
    redisUrl: REDIS_URL,
    token,
    host: values.host,
    port: Number(values.port),
    anyCommand: values["any-command"],
  });
  if (values["any-command"])
    console.warn("With --any-command, a program that has the token can do anything to this Redis.");

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, async () => {
      await bridge.close();
      process.exit(0);
    });
  }
  console.log(`
The bridge to Redis at ${withoutPassword(REDIS_URL)} is ready on ${bridge.url}. Put this into .dev.vars for memX:

UPSTASH_REDIS_REST_URL=${bridge.url}
UPSTASH_REDIS_REST_TOKEN=${token ? "(the token you set)" : bridge.token}
`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
