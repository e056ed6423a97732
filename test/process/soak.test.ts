// One tenant sends the most expensive requests that it can, another works as usual. The victim gets no error and loses no
// write, and memX's memory stays bounded. `npm run soak -- --minutes 10` also asserts the victim's latency, so it needs an
// otherwise idle machine.

import { randomBytes } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { describe, expect, it, onTestFinished } from "vitest";
import type { AttackReport } from "../fuzz/attacker.ts";
import { EXPENSIVE_KINDS } from "../fuzz/expensive-requests.ts";
import { Victim } from "../fuzz/victim.ts";
import { freePort } from "../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { startAttack } from "./support/attack.ts";
import { startProcess } from "./support/dev-server.ts";
import { diskUsage, rssOf } from "./support/usage.ts";
import { newDisk, startWorkerd } from "./support/workerd.ts";

const { SOAK_MINUTES, SOAK_SEED, SOAK_KINDS, SOAK_CONCURRENCY, SOAK_MAX_P99_MS } = process.env;
/** Run by hand: with the settings of a deployment, with figures, and with a bound for the latency. */
const isMeasured = Boolean(SOAK_MINUTES);
const seconds = isMeasured ? Number(SOAK_MINUTES) * 60 : 30;
const seed = SOAK_SEED || String(Date.now());
const concurrency = Number(SOAK_CONCURRENCY || 24);
const maxP99Ms = Number(SOAK_MAX_P99_MS || 250);
/** Of workerd. Generous, because a small machine must survive it, and no test should depend on what the last MiB are. */
const MAX_RSS_MIB = 1_500;
/** Where the other tests have settings of their own. */
const AS_DEPLOYED = { STORE_TIMEOUT_MS: "", RATE_LIMIT: "" };
const SAMPLES = 40;
/** memX may refuse the others before it runs them. */
const ACCEPTED_KINDS = EXPENSIVE_KINDS.filter((kind) => !/with (a schema|schemas)$/.test(kind));
/** A call without a response for this long hangs. */
const HANG_MS = 300_000;

const LIST = {
  "key-of-the-attacker": { read: ["*"], write: ["*"], user_id: "aaaaaaaa-0000-4000-8000-000000000000" },
  "key-of-the-victim": { read: ["*"], write: ["*"], user_id: "bbbbbbbb-0000-4000-8000-000000000000" },
};

/** In processes of their own, so that the bridge's work does not delay the victim's measurements. */
async function startBridgedRedis() {
  const redis = await startRedisServer();
  onTestFinished(() => redis.stop("SIGKILL"));
  const [port, token] = [await freePort(), randomBytes(16).toString("hex")];
  const bridge = startProcess(process.execPath, ["selfhost/redis.ts", "--port", String(port)], {
    ...process.env,
    REDIS_URL: redis.url,
    UPSTASH_REDIS_REST_TOKEN: token,
  });
  let output = "";
  for (const part of [bridge.stdout, bridge.stderr]) part?.on("data", (chunk) => (output += chunk));
  await expect.poll(() => output, { timeout: LONG_PATIENCE_MS }).toContain("is ready on");
  return { redis, bindings: { UPSTASH_REDIS_REST_URL: `http://127.0.0.1:${port}`, UPSTASH_REDIS_REST_TOKEN: token } };
}

const ENGINES: [string, () => Promise<{ redis: RedisServer | undefined; bindings: Record<string, string> }>][] = [
  ["embedded", async () => ({ redis: undefined, bindings: {} })],
  ["redis", startBridgedRedis],
];

describe.each(ENGINES)("on %s", (engine, startStore) => {
  it(`serves one tenant while another sends expensive requests for ${seconds} s`, {
    tags: ["long"],
    timeout: 600_000 + seconds * 2_000,
  }, async () => {
    const { redis, bindings } = await startStore();
    const disk = newDisk();
    const memx = await startWorkerd({
      disk,
      bindings: { MEMX_ACL: JSON.stringify(LIST), ...(isMeasured && AS_DEPLOYED), ...bindings },
    });
    const victim = new Victim(memx.port, "key-of-the-victim");
    const ownDelay = monitorEventLoopDelay({ resolution: 10 });
    const samples: object[] = [];
    const rss: number[] = [];
    try {
      await victim.start();
      if (isMeasured) await new Promise((resolve) => setTimeout(resolve, 5_000));
      const alone = victim.report();
      const attack = startAttack({
        ...{ port: memx.port, apiKey: "key-of-the-attacker" },
        ...{ seconds, seed, concurrency, kinds: SOAK_KINDS ?? "" },
      });
      const prepared = await attack.prepared;
      const whilePreparing = victim.report();
      const beginMs = performance.now();
      ownDelay.enable();
      const sampler = setInterval(
        () => {
          const mib = rssOf(memx.process.pid);
          rss.push(mib);
          const second = Math.round((performance.now() - beginMs) / 1000);
          samples.push({
            second,
            rssMiB: mib,
            ...(redis ? { redisMiB: rssOf(redis.pid) } : { disk: diskUsage(disk) }),
          });
        },
        Math.max((seconds / SAMPLES) * 1000, 500),
      );
      const { kinds } = await attack.over.finally(() => clearInterval(sampler));
      const underAttack = victim.report();
      ownDelay.disable();
      victim.stopWriting();
      const harness = { p99: ownDelay.percentile(99) / 1e6, max: ownDelay.max / 1e6 };
      const figures = {
        engine,
        seed,
        seconds,
        concurrency,
        alone,
        whilePreparing,
        underAttack,
        harness,
        faults: victim.faults,
      };
      console.log(JSON.stringify({ ...figures, prepared: prepared.kinds, kinds, samples }));

      await expect.poll(() => victim.unanswered(), { timeout: HANG_MS }).toBe(0);
      // A channel repairs a lost announcement within half a minute.
      await expect.poll(() => victim.undelivered(), { timeout: LONG_PATIENCE_MS }).toEqual([]);
      await victim.check();
      expect(victim.faults.join("\n")).toBe("");
      expect(memx.process.exitCode).toBeNull();
      expect(memx.output()).not.toMatch(/key-of-the-|"event":"internal"|event: 'internal'/);
      expect(Math.max(...rss)).toBeLessThan(MAX_RSS_MIB);
      // The attack was one: memX served every kind of request.
      if (!SOAK_KINDS && seconds >= 30) expect(served(kinds)).toEqual(expect.arrayContaining(ACCEPTED_KINDS));
      expect(underAttack.latency.set.count).toBeGreaterThan(0);
      if (isMeasured) {
        // Memory is flat: the second half needs no more than the first, after a warm-up.
        const median = (part: number[]) => part.toSorted((a, b) => a - b)[part.length >> 1] as number;
        const half = rss.length >> 1;
        const [first, second] = [rss.slice(half >> 2, half), rss.slice(half)];
        expect.soft(median(second), "MiB").toBeLessThan(median(first) * 1.25 + 50);
        for (const [call, { p99 }] of Object.entries(underAttack.latency)) {
          expect.soft(p99, `p99 of ${call}, in ms`).toBeLessThan(maxP99Ms);
        }
      }
    } finally {
      victim.close();
    }
  });
});

/** Kinds of which memX accepted a request, or which the attacker left or held. */
function served(kinds: AttackReport["kinds"]): string[] {
  return Object.entries(kinds)
    .filter(([, { statuses }]) => Object.keys(statuses).some((status) => /^(101|2..|409|left)$/.test(status)))
    .map(([kind]) => kind)
    .sort();
}
