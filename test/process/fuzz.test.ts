// Random requests of every kind, from tenants that must not see each other's data, against the deployed bundle on
// workerd. `npm run fuzz -- --requests 100000 --seed 7` sends more of them.

import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { type FuzzRequest, randomRequest } from "../fuzz/requests.ts";
import { closeConnections, type Outcome, send } from "../fuzz/send.ts";
import { ALL_MARKS, LIST } from "../fuzz/tenants.ts";
import { amount, isLong } from "../support/long-runs.ts";
import { createRandom } from "../support/random.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { rssOf } from "./support/usage.ts";
import { startWorkerd } from "./support/workerd.ts";

const requests = Number(process.env.FUZZ_REQUESTS || amount(1_000, 50_000));
const seed = process.env.FUZZ_SEED || String(isLong ? Date.now() : 1);
const CONCURRENCY = 24;
/** For the process, in MiB: an isolate may use 128, and workerd runs several, plus the store's cache. */
const MAX_RSS_MIB = 800;

afterAll(closeConnections);

describe.each([
  ["embedded", async () => ({})],
  ["redis", startRedis],
])("on %s", (engine, settings) => {
  it(`handles ${requests} random requests of seed ${seed} without a fault, a leak or a hang`, {
    tags: ["long"],
    timeout: 120_000 + requests * 60,
  }, async () => {
    const memx = await startWorkerd({
      bindings: { MEMX_ACL: JSON.stringify(LIST), ...(await settings()) },
    });
    const random = createRandom(seed);
    const statuses: Record<number, number> = {};
    const faults: string[] = [];
    const rss: number[] = [];
    const begunMs = Date.now();
    let sent = 0;
    let slowestMs = 0;
    const work = async () => {
      while (sent < requests && faults.length < 5) {
        const n = sent++;
        const request = randomRequest(random);
        const sentMs = Date.now();
        try {
          const outcome = await send(memx.port, request);
          statuses[outcome.status] = (statuses[outcome.status] ?? 0) + 1;
          const fault = faultOf(request, outcome);
          if (fault) faults.push(describeFault(n, request, fault, outcome.text));
        } catch (cause) {
          faults.push(describeFault(n, request, String(cause), ""));
        }
        slowestMs = Math.max(slowestMs, Date.now() - sentMs);
        if (n % Math.ceil(requests / 40) === 0) rss.push(rssOf(memx.process.pid));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    const seconds = (Date.now() - begunMs) / 1000;
    const figures = { engine, seed, requests: sent, seconds, slowestMs, statuses, rssMiB: rss };
    if (requests >= 20_000) console.log(JSON.stringify(figures));
    expect(faults.join("\n")).toBe("");
    expect(memx.process.exitCode).toBeNull();
    expect(memx.output()).not.toMatch(/fuzz-key-of-|"event":"internal"|event: 'internal'/);
    expect(Math.max(...rss)).toBeLessThan(MAX_RSS_MIB);
    // Memory stays flat: after warm-up, the second half uses no more than the first.
    const half = (part: number[]) => part.toSorted((a, b) => a - b)[part.length >> 1] as number;
    if (requests >= 20_000) expect(half(rss.slice(-10))).toBeLessThan(half(rss.slice(10, 20)) * 1.25 + 50);
    // The requests also reached the code behind the checks.
    for (const status of [101, 200, 400, 401, 403, 404, 405, 415, 422])
      expect(statuses[status], `${status}`).toBeGreaterThan(0);
  });
});

/** Returns what is wrong with a response, if anything. */
function faultOf({ method, tenant }: FuzzRequest, { status, headers, text }: Outcome): string | undefined {
  const seen = ALL_MARKS.find((mark) => !tenant.sees.includes(mark) && text.includes(mark));
  if (seen) return `${tenant.name} saw ${seen}`;
  for (const apiKey of Object.keys(LIST)) if (text.includes(apiKey)) return "an API key is in the response";
  const documented = status === 503 && /"code":"(store|auth)_unavailable"/.test(text);
  if (status >= 500 && !documented) return `status ${status}`;
  if (status < 101) return `status ${status}`;
  // workerd itself refuses invalid URIs and invalid handshakes.
  if (status < 500 && !headers["x-request-id"] && /^$|^ERROR: |^invalid URI/.test(text)) return undefined;
  if (status !== 101 && !headers["x-request-id"]) return "no request id";
  if (status >= 400 && method !== "HEAD" && headers["content-type"] !== "application/problem+json") {
    return `an error as ${headers["content-type"]}`;
  }
  return undefined;
}

function describeFault(n: number, { tenant, method, path, headers, body }: FuzzRequest, fault: string, text: string) {
  const request = JSON.stringify({ tenant: tenant.name, headers, body: body?.toString("latin1").slice(0, 300) });
  return `request ${n}: ${fault}\n  ${method} ${path.slice(0, 300)} ${request}\n  ${text.slice(0, 300)}`;
}

async function startRedis(): Promise<Record<string, string>> {
  const redis = await startRedisServer();
  const token = randomUUID();
  const bridge = await startRedisBridge({ redisUrl: redis.url, token, port: 0, timeoutMs: 30_000 });
  onTestFinished(async () => {
    await bridge.close();
    await redis.stop("SIGKILL");
  });
  return { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: token };
}
