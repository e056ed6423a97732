// GET /metrics on workerd: who may read it, and whether its numbers are those of what has happened.

import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { mergeMetrics } from "../../selfhost/merge-metrics.ts";
import { startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { ENGINES, type Engine, type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";
import { startWorkerd } from "./support/workerd.ts";

const TOKEN = "token-of-the-metrics";
const SETTINGS = { MEMX_ACL: '{"local_dev_key":["*"]}', RATE_LIMIT: "0", METRICS_TOKEN: TOKEN };
const OPEN_METRICS = "application/openmetrics-text";

async function start(engine: Engine, settings: Readonly<Record<string, string>> = {}): Promise<SelfHosted> {
  const memx = await startSelfHosted(engine, { ...SETTINGS, ...settings });
  onTestFinished(() => memx.close());
  return memx;
}

const read = ({ url }: SelfHosted, headers: Record<string, string> = {}) =>
  fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}`, ...headers } });

/** Returns a function that finds a number by its name and labels, and 0 if it is missing. Checks the format. */
async function numbers(memx: SelfHosted): Promise<(series: string) => number> {
  const response = await read(memx);
  expect(response.status).toBe(200);
  const found = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of (await response.text()).trimEnd().split("\n")) {
    const [, name = "", type = ""] = /^# TYPE (memx_[a-z_]+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (name) types.set(name, type);
    if (name || /^# HELP memx_[a-z_]+ [A-Z].*\.$/.test(line)) continue;
    const [, series = "", value] =
      /^(memx_[a-z_]+(?:\{[a-z]+="[^"\n]*"(?:,[a-z]+="[^"\n]*")*\})?) (\S+)$/.exec(line) ?? [];
    expect(series, line).not.toBe("");
    expect(found.has(series), line).toBe(false);
    const family = series.replace(/\{.*/, "").replace(/_(bucket|sum|count)$/, "");
    expect([...types.keys()], line).toContain(family);
    found.set(series, Number(value));
  }
  return (series) => found.get(series) ?? 0;
}

async function watch({ url }: SelfHosted, since?: number): Promise<{ socket: WebSocket; texts: string[] }> {
  const query = since === undefined ? "" : `&since=${since}`;
  const key = Buffer.from("local_dev_key").toString("base64url");
  const socket = new WebSocket(`${url.replace("http", "ws")}/watch?pattern=*${query}`, ["memx.v1", `memx.key.${key}`]);
  onTestFinished(() => socket.close());
  const texts: string[] = [];
  socket.addEventListener("message", ({ data }) => texts.push(data));
  await expect.poll(() => texts.some((text) => JSON.parse(text).event === "ready")).toBe(true);
  return { socket, texts };
}

async function set({ url }: { readonly url: string }, key: string): Promise<{ revision: number }> {
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  const response = await fetch(`${url}/set`, { method: "POST", headers, body: JSON.stringify({ key, value: 1 }) });
  expect(response.status).toBe(200);
  return (await response.json()) as { revision: number };
}

describe.each(ENGINES)("on the %s store", (engine) => {
  it("counts what happens", async () => {
    const memx = await start(engine, { LOG_LENGTH: "10" });
    const atFirst = await numbers(memx);
    expect(atFirst('memx_sockets{channel="namespace"}')).toBe(0);
    expect(atFirst(`memx_build_info{version="0.1.0",engine="${engine}"}`)).toBe(1);
    const added = async (series: string) => (await numbers(memx))(series) - atFirst(series);

    const first = (await set(memx, "a")).revision;
    const { socket, texts } = await watch(memx);
    for (let index = 0; index < 15; index++) await set(memx, `k:${index}`);
    await expect.poll(() => texts.length).toBe(16);
    expect(await added('memx_requests_total{route="/set",status="200"}')).toBe(16);
    expect(await added('memx_request_duration_seconds_count{route="/set"}')).toBe(16);
    expect(await added('memx_request_duration_seconds_bucket{route="/set",le="+Inf"}')).toBe(16);
    expect(await added('memx_store_duration_seconds_count{operation="write",outcome="done"}')).toBe(16);
    expect(await added("memx_commit_writes_count")).toBe(engine === "embedded" ? 16 : 0);
    expect(await added("memx_commit_writes_sum")).toBe(engine === "embedded" ? 16 : 0);
    expect(await added('memx_changes_total{event="value",action="set"}')).toBe(16);
    expect(await added("memx_keys_created_total")).toBe(16);
    expect(await added("memx_subscriptions_total")).toBe(1);
    expect(await added("memx_events_sent_total")).toBe(texts.length);
    expect(await added('memx_sockets{channel="namespace"}')).toBe(1);
    expect(await added('memx_sockets{channel="key"}')).toBe(0);
    expect(await added('memx_authentications_total{outcome="accepted"}')).toBe(17);
    expect(await added("memx_resets_total")).toBe(0);

    // The log no longer reaches back so far.
    const late = await watch(memx, first);
    expect(JSON.parse(late.texts[0] as string)).toMatchObject({ event: "reset" });
    expect(await added("memx_resets_total")).toBe(1);
    expect(await added('memx_sockets{channel="namespace"}')).toBe(2);
    for (const each of [socket, late.socket]) each.close();
    await expect.poll(() => added('memx_sockets{channel="namespace"}')).toBe(0);

    await fetch(`${memx.url}/get?key=a`, { headers: { "x-api-key": "unknown" } });
    expect(await added('memx_authentications_total{outcome="invalid_api_key"}')).toBe(1);
    expect(await added('memx_requests_total{route="/get",status="403"}')).toBe(1);
    await fetch(`${memx.url}/anything/${"x".repeat(50)}`);
    expect(await added('memx_requests_total{route="none",status="404"}')).toBe(1);
  });

  it("opens only to its token, which opens nothing else", async () => {
    const memx = await start(engine);
    const codeOf = async (headers: Record<string, string>) => {
      const response = await fetch(`${memx.url}/metrics`, { headers });
      return [response.status, JSON.parse(await response.text()).code];
    };
    expect(await codeOf({})).toEqual([401, "missing_api_key"]);
    expect(await codeOf({ "x-api-key": TOKEN })).toEqual([401, "missing_api_key"]);
    for (const token of ["local_dev_key", `${TOKEN}x`, TOKEN.slice(1)])
      expect(await codeOf({ authorization: `Bearer ${token}` })).toEqual([403, "invalid_api_key"]);
    const { status } = await fetch(`${memx.url}/get?key=a`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(status).toBe(403);
    const response = await read(memx);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  it("speaks OpenMetrics to a client that asks for it", async () => {
    const memx = await start(engine);
    await set(memx, "a");
    const plain = await read(memx);
    expect(plain.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await plain.text()).not.toContain("# EOF");
    const response = await read(memx, { accept: `${OPEN_METRICS}; version=1.0.0,text/plain;q=0.5` });
    expect(response.headers.get("content-type")).toBe(`${OPEN_METRICS}; version=1.0.0; charset=utf-8`);
    const text = await response.text();
    expect(text).toMatch(/\n# EOF\n$/);
    expect(text).toContain("\n# TYPE memx_requests counter\nmemx_requests_total{");
    expect(text).toContain('\nmemx_requests_total{route="/set",status="200"} 1\n');
  });
});

it("counts the repairs of a channel, and how far it was behind", async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis.stop());
  // Channels compare themselves with the store twice as often as this. Of the other memX's changes they hear only so,
  // because it reaches Redis over Upstash's protocol.
  const memx = await start("embedded", { REDIS_URL: redis.url, REVOCATION_SECONDS: "1" });
  const bridge = await startRedisBridge({ redisUrl: redis.url, port: 0, timeoutMs: 30_000 });
  onTestFinished(() => bridge.close());
  const other = await startWorkerd({
    bindings: { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: bridge.token },
  });
  const { texts } = await watch(memx);
  const repairs = (await numbers(memx))("memx_channel_repairs_total");
  for (let index = 0; index < 3; index++) await set(other, `k:${index}`);
  await expect.poll(() => texts.length).toBe(4);
  await expect.poll(async () => (await numbers(memx))("memx_channel_repairs_total")).toBeGreaterThan(repairs);
  expect((await numbers(memx))("memx_channel_lag_revisions_sum")).toBe(3);

  await redis.stop();
  const response = await fetch(`${memx.url}/get?key=a`, { headers: { "x-api-key": "local_dev_key" } });
  expect(response.status).toBe(503);
  const found = await numbers(memx);
  expect(found('memx_requests_total{route="/get",status="503"}')).toBe(1);
  expect(found('memx_store_duration_seconds_count{operation="readEntry",outcome="failed"}')).toBe(1);
});

it("counts relays, and what was sent to them", async () => {
  const memx = await start("embedded", { REGION: "enam", RELAY_KEEP: "1", RELAY_LEAF: "1" });
  const relays = async () => {
    const found = await numbers(memx);
    return [found('memx_relays{parent="channel"}'), found('memx_relays{parent="head"}')];
  };
  const sent = async (outcome: string) => (await numbers(memx))(`memx_relay_forwards_total{outcome="${outcome}"}`);
  const [kept, head, leaf] = [await watch(memx), await watch(memx), await watch(memx)];
  expect(await relays()).toEqual([1, 1]);
  await set(memx, "a");
  await expect.poll(() => leaf.texts.length).toBe(2);
  await expect.poll(() => sent("arrived")).toBe(2);
  for (const { socket } of [head, leaf]) socket.close();
  await expect.poll(async () => (await numbers(memx))('memx_sockets{channel="namespace"}')).toBe(1);
  // The leaf says so to the head first, and then the head to the channel.
  await expect.poll(async () => set(memx, "a").then(relays)).toEqual([0, 0]);
  expect(await sent("gone")).toBe(2);
  expect([await sent("failed"), (await numbers(memx))("memx_relays_dropped_total")]).toEqual([0, 0]);
  expect(kept.texts.length).toBeGreaterThan(2);
});

it("does not exist without a token", async () => {
  const memx = await start("embedded", { METRICS_TOKEN: "" });
  for (const headers of [{}, { authorization: "Bearer " }, { "x-api-key": "local_dev_key" }]) {
    const response = await fetch(`${memx.url}/metrics`, { headers });
    expect([response.status, JSON.parse(await response.text()).code]).toEqual([404, "not_found"]);
  }
});

it("has every metric that the dashboard for Grafana and the docs name", async () => {
  const text = mergeMetrics([await (await read(await start("embedded"))).text()]);
  const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  expect(names.size).toBeGreaterThan(10);
  const dashboard = JSON.parse(readFileSync("config/grafana.json", "utf8"));
  const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }: { expr: string }) => expr));
  expect(queries.length).toBeGreaterThan(5);
  const named = (found: string) =>
    new Set([...found.matchAll(/\bmemx_[a-z_]+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, "")));
  expect([...names]).toEqual(expect.arrayContaining([...named(queries.join("\n"))]));
  expect([...named(readFileSync("docs/metrics.md", "utf8"))].sort()).toEqual([...names].sort());
});

it("counts clients that read too slowly", async () => {
  const memx = await start("embedded");
  const { socket } = await watch(memx);
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  // Without a ping, memX does not know that the client has read them.
  const body = JSON.stringify({ key: "large", value: "x".repeat(LIMITS.maxValueBytes - 2) });
  for (let sent = 0; sent <= LIMITS.maxUnreadChars; sent += body.length) await memx.call("/set", { body });
  expect((await closed).code).toBe(1013);
  expect((await numbers(memx))("memx_slow_consumers_closed_total")).toBe(1);
  await expect.poll(async () => (await numbers(memx))('memx_sockets{channel="namespace"}')).toBe(0);
});
