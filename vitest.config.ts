import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const wrangler = { configPath: "./wrangler.toml" };
// Empty counts as not set. A .dev.vars of whoever runs the tests would set them otherwise.
const unset = {
  MEMX_ACL: "",
  LOG_LENGTH: "",
  MAX_NAMESPACE_KEYS: "",
  MAX_NAMESPACE_BYTES: "",
  SUPABASE_URL: "",
  SUPABASE_SERVICE_KEY: "",
  REVOCATION_SECONDS: "",
  MCP_ORIGINS: "",
  // So that no test fails because the store is slow on a busy machine.
  STORE_TIMEOUT_MS: "30000",
};
/** So low that tests reach it; in development, as all but the tests of it are, nobody is counted. */
const ratelimits = { RATE_LIMITER: { namespace_id: "1001", simple: { limit: 20, period: 10 } } } as const;
/** A log so short that subscribers fall behind it, and which seeds to run. */
const simulation = {
  MEMX_ENV: "development",
  LOG_LENGTH: "15",
  SIMULATION_SEEDS: process.env.SIMULATION_SEEDS ?? "",
  SIMULATION_FIRST_SEED: process.env.SIMULATION_FIRST_SEED ?? "",
};

/** For a test that hangs: machines are shared, and a slow one must not fail. */
const patience = { testTimeout: 60_000, hookTimeout: 60_000 } as const;

export default defineConfig({
  test: {
    // Most of a test is waiting.
    maxWorkers: "100%",
    // Istanbul, because V8's coverage does not work inside workerd.
    coverage: {
      provider: "istanbul",
      include: ["worker/**", "memory/**", "durable-objects/**", "sdk/**/*.ts", "config/**/*.ts"],
      exclude: ["**/*.d.ts", "**/*.lua", "sdk/typescript/dist/**", "sdk/typescript/cli.ts"],
      reporter: ["text-summary", "html"],
    },
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler,
            miniflare: {
              ratelimits,
              bindings: {
                ...unset,
                MEMX_ENV: "development",
                UPSTASH_REDIS_REST_URL: "",
                UPSTASH_REDIS_REST_TOKEN: "",
              },
            },
          }),
        ],
        test: {
          ...patience,
          name: "embedded",
          include: ["test/**/*.test.ts"],
          exclude: ["test/process/**", "test/simulation/**", "test/store/redis-*.test.ts"],
        },
      },
      {
        plugins: [
          cloudflareTest(({ inject }) => {
            const { url, token } = inject("redis");
            const bindings = {
              ...unset,
              MEMX_ENV: "development",
              UPSTASH_REDIS_REST_URL: url,
              UPSTASH_REDIS_REST_TOKEN: token,
            };
            return { wrangler, miniflare: { ratelimits, bindings } };
          }),
        ],
        test: {
          ...patience,
          name: "redis",
          globalSetup: "test/support/redis-setup.ts",
          setupFiles: "test/support/redis-empty.ts",
          // What a caller can see has to be the same; and what is Redis's own.
          include: [
            "test/http/**/*.test.ts",
            "test/mcp/**/*.test.ts",
            "test/feed/**/*.test.ts",
            "test/sdk/**/*.test.ts",
            "test/{channel,concurrency}.test.ts",
            "test/guarantees/**/*.test.ts",
            "test/store/redis-*.test.ts",
          ],
          // They share one Redis, and some count its revisions.
          fileParallelism: false,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler,
            miniflare: {
              bindings: { ...unset, ...simulation, UPSTASH_REDIS_REST_URL: "", UPSTASH_REDIS_REST_TOKEN: "" },
            },
          }),
        ],
        test: { ...patience, name: "simulation-embedded", include: ["test/simulation/**/*.test.ts"] },
      },
      {
        plugins: [
          cloudflareTest(({ inject }) => {
            const { url, token } = inject("redis");
            const redis = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token };
            return { wrangler, miniflare: { bindings: { ...unset, ...simulation, ...redis } } };
          }),
        ],
        test: {
          ...patience,
          name: "simulation-redis",
          globalSetup: "test/support/redis-setup.ts",
          setupFiles: "test/support/redis-empty.ts",
          include: ["test/simulation/**/*.test.ts"],
        },
      },
      {
        // Starts memX as a process of its own, as people do.
        test: {
          ...patience,
          name: "process",
          globalSetup: "test/process/support/build.ts",
          include: ["test/process/**/*.test.ts"],
        },
      },
    ],
  },
});
