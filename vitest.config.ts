import { execFileSync } from "node:child_process";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";
import { mutants } from "./test/support/mutants-plugin.ts";
import { PATIENCE_MS } from "./test/support/patience.ts";

// Each test file on Redis has a workerd of its own, and each of those listens for the end of this process.
process.setMaxListeners(1_000);

// Every Worker needs what they build. In processes of their own, because Vite's build needs another NODE_ENV, which tests must
// not inherit.
for (const script of ["scripts/build-assets.ts", "scripts/build-mcp-sdk.ts"]) {
  execFileSync(process.execPath, [script], { stdio: ["ignore", "ignore", "inherit"] });
}

/** "1" runs only the tests with the tag "long", which do more then, and "all" those and all others. */
const { TEST_LONG } = process.env;
const onlyLong = TEST_LONG === "1";
const long = onlyLong || TEST_LONG === "all";

/** So few subscribers at each node that a test reaches relays. */
const relays = { REGION: "enam", RELAY_KEEP: "2", RELAY_LEAF: "2" } as const;

/** Options of every Worker. If it were verbose, workerd would print each error that passes through RPC, even expected ones. */
const worker = { wrangler: { configPath: "./wrangler.toml" }, verbose: false } as const;
// Empty counts as not set. Otherwise a .dev.vars on this machine would set them.
const unset = {
  MEMX_ACL: "",
  LOG_LENGTH: "",
  REGION: "",
  RELAY_KEEP: "",
  RELAY_LEAF: "",
  MAX_NAMESPACE_KEYS: "",
  MAX_NAMESPACE_BYTES: "",
  SUPABASE_URL: "",
  SUPABASE_SERVICE_KEY: "",
  SUPABASE_ANON_KEY: "",
  REVOCATION_SECONDS: "",
  MCP_ORIGINS: "",
  RATE_LIMIT: "",
  METRICS_TOKEN: "",
  METRICS_PORT: "",
  MEMX_PROCESS: "",
  // So that no socket of calls is renewed, unless a test sets another.
  SUBREQUEST_LIMIT: "1000000",
  // So that no test fails because the store is slow on a busy machine.
  STORE_TIMEOUT_MS: "30000",
};
/** So low that tests reach it. The limiter does not count in development, which all other tests run in. */
const ratelimits = { RATE_LIMITER: { namespace_id: "1001", simple: { limit: 20, period: 10 } } } as const;
const onEmbeddedStore = (settings: Readonly<Record<string, string>> = {}) =>
  cloudflareTest({
    ...worker,
    miniflare: {
      ratelimits,
      bindings: {
        ...unset,
        MEMX_ENV: "development",
        UPSTASH_REDIS_REST_URL: "",
        UPSTASH_REDIS_REST_TOKEN: "",
        ...settings,
      },
    },
  });
/** A log so short that subscribers fall behind it, and the seeds to run. */
const simulation = {
  MEMX_ENV: "development",
  LOG_LENGTH: "15",
  SIMULATION_SEEDS: process.env.SIMULATION_SEEDS ?? "",
  SIMULATION_FIRST_SEED: process.env.SIMULATION_FIRST_SEED ?? "",
};

/** So that most subscribers of a simulation are on relays. */
const simulatedRelays = { ...relays, RELAY_KEEP: "1", RELAY_LEAF: "1" };

const { PROPERTY_SEED } = process.env;

/** Options of every project. Only a test that hangs reaches a time limit. */
const common = {
  testTimeout: 600_000,
  hookTimeout: 600_000,
  expect: { poll: { timeout: PATIENCE_MS, interval: 20 } },
  provide: {
    long,
    longShare: Number(process.env.LONG_SHARE || 1),
    propertySeed: PROPERTY_SEED ? Number(PROPERTY_SEED) : undefined,
    transport: "http" as const,
  },
  tags: [{ name: "long", description: "Does more in a long run.", timeout: long ? 1_800_000 : 600_000 }],
  ...(onlyLong && { tagsFilter: ["long"] }),
};

/** The test files with tests that do more in a long run, or all test files. */
const files = (all: readonly string[], withLongTests: readonly string[]) => [...(onlyLong ? withLongTests : all)];

/** Test files of calls that a socket has too, and not of what only HTTP has. */
const SOCKET_FILES = [
  "test/http/{access,batch,bulk,conditions,idempotency,keys,patch,read,schemas,session-reads,values,write-only,writers}.test.ts",
  "test/guarantees/*.test.ts",
  "test/sdk/{calls,consumers,entries,identifiers,json-values,lease,lease-server,mirror,request-samples,session-reads,subscriptions,typed-key}.test.ts",
];

/** Each test file has its own Redis: Vitest evaluates the options of a project before each file. */
async function newRedis(starter: string) {
  const { url, token } = (await (await fetch(starter)).json()) as { url: string; token: string };
  return { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token };
}

export default defineConfig({
  test: {
    // As many test files at a time as there are processors.
    maxWorkers: "100%",
    sequence: { sequencer: LongestFirst },
    // Istanbul, because V8's coverage does not work inside workerd.
    coverage: {
      provider: "istanbul",
      include: ["worker/**", "memory/**", "durable-objects/**", "sdk/**/*.ts", "config/**/*.ts"],
      exclude: ["**/*.d.ts", "**/*.lua", "sdk/typescript/dist/**", "sdk/typescript/cli*.ts"],
      reporter: ["text-summary", "html"],
    },
    projects: [
      {
        plugins: [onEmbeddedStore()],
        test: {
          ...common,
          name: "embedded",
          include: files(
            ["test/**/*.test.ts"],
            [
              "test/{access,patch,schemas}/*.test.ts",
              "test/sdk/patterns.test.ts",
              "test/http/namespaces.test.ts",
              "test/store/embedded-store.test.ts",
            ],
          ),
          exclude: [
            "test/process/**",
            "test/adapters/**",
            "test/relays/**",
            "test/simulation/**",
            "test/store/redis-*.test.ts",
          ],
        },
      },
      {
        plugins: [onEmbeddedStore(relays)],
        test: { ...common, name: "relays", include: onlyLong ? [] : ["test/relays/*.test.ts"] },
      },
      {
        plugins: [onEmbeddedStore()],
        test: {
          ...common,
          name: "socket",
          // The tests of HTTP once more, with their calls over GET /connect.
          provide: { ...common.provide, transport: "socket" as const },
          include: onlyLong ? [] : SOCKET_FILES,
        },
      },
      {
        plugins: [
          cloudflareTest(async ({ inject }) => {
            const bindings = { ...unset, MEMX_ENV: "development", ...(await newRedis(inject("redis"))) };
            return { ...worker, miniflare: { ratelimits, bindings } };
          }),
        ],
        test: {
          ...common,
          name: "redis",
          globalSetup: "test/support/redis-setup.ts",
          // What a caller can see must be the same on both stores; and what is Redis's own.
          include: files(
            ["test/{http,mcp,feed,sdk,guarantees}/*.test.ts", "test/store/redis-*.test.ts"],
            ["test/http/namespaces.test.ts", "test/store/redis-store.test.ts"],
          ),
          // These tests never reach a store, or are about the client, whatever the store is.
          exclude: [
            "test/http/{bad-requests,call-counter,rate-limit}.test.ts",
            "test/feed/adapters.test.ts",
            "test/sdk/{consumers,delivery,identifiers,json-values,lease,lease-table,option-numbers,options}.test.ts",
            "test/sdk/{outages,patterns,samples}.test.ts",
          ],
        },
      },
      {
        plugins: [
          mutants(),
          cloudflareTest({
            ...worker,
            miniflare: {
              bindings: { ...unset, ...simulation, UPSTASH_REDIS_REST_URL: "", UPSTASH_REDIS_REST_TOKEN: "" },
            },
          }),
        ],
        test: { ...common, name: "simulation-embedded", include: ["test/simulation/*.test.ts"] },
      },
      {
        plugins: [
          cloudflareTest({
            ...worker,
            miniflare: {
              bindings: {
                ...unset,
                ...simulation,
                ...simulatedRelays,
                UPSTASH_REDIS_REST_URL: "",
                UPSTASH_REDIS_REST_TOKEN: "",
              },
            },
          }),
        ],
        test: { ...common, name: "simulation-relays", include: ["test/simulation/simulation.test.ts"] },
      },
      {
        plugins: [
          cloudflareTest(async ({ inject }) => {
            const bindings = { ...unset, ...simulation, ...simulatedRelays, ...(await newRedis(inject("redis"))) };
            return { ...worker, miniflare: { bindings } };
          }),
        ],
        test: {
          ...common,
          name: "simulation-relays-redis",
          globalSetup: "test/support/redis-setup.ts",
          include: long ? ["test/simulation/simulation.test.ts"] : [],
        },
      },
      {
        plugins: [
          cloudflareTest(async ({ inject }) => {
            const bindings = { ...unset, ...simulation, ...(await newRedis(inject("redis"))) };
            return { ...worker, miniflare: { bindings } };
          }),
        ],
        test: {
          ...common,
          name: "simulation-redis",
          globalSetup: "test/support/redis-setup.ts",
          include: ["test/simulation/*.test.ts"],
          // They have stores of their own.
          exclude: ["test/simulation/{lease,relays}.test.ts"],
        },
      },
      {
        // Starts memX as a process of its own, as its users do.
        test: {
          ...common,
          name: "process",
          globalSetup: "test/process/support/build.ts",
          include: files(
            ["test/{process,adapters}/*.test.ts"],
            [
              "test/adapters/*-oracle.test.ts",
              "test/process/{bench,connect-fuzz,dashboard,dashboard-account-keyboard,dashboard-barriers}.test.ts",
              "test/process/{dashboard-keyboard,dashboard-scale}.test.ts",
              "test/process/{docker,fuzz,mcp-fuzz,mcp-team,mirror-kills,operations}.test.ts",
              "test/process/{kills,porcupine,processes,promtool,redis-cluster,redis-loses-writes}.test.ts",
              "test/process/{relay-kills,relay-regions,relay-sleep,relay-storm,sdk-feed,shared-key,silent-clients,soak,two-servers}.test.ts",
            ],
          ),
          // Porcupine needs Go, promtool Prometheus, and operations nginx, Caddy and systemd, which only a long run installs.
          // The others take long whatever they test.
          exclude: long
            ? []
            : [
                "test/process/{dashboard-account-keyboard,dashboard-barriers,dashboard-keyboard,dashboard-scale,docker,mirror-kills,operations,porcupine,promtool,relay-kills,relay-regions,relay-sleep,relay-storm,soak}.test.ts",
              ],
        },
      },
    ],
  },
});
