// memX on a Redis Cluster of three masters with a replica each.

import { afterEach, expect, it } from "vitest";
import { MemX, type ValueEvent } from "../../sdk/typescript/index.ts";
import { isLong } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { type RedisClusterServers, startRedisCluster } from "./support/redis-cluster.ts";
import { type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";

/** Ten namespaces, so that every master has some. */
const API_KEYS = Array.from({ length: 10 }, (_, n) => `key-${n}`);
const MEMX_ACL = JSON.stringify(
  Object.fromEntries(API_KEYS.map((key, n) => [key, { read: ["*"], write: ["*"], user_id: `user-${n}-x` }])),
);
const SETTINGS = { MEMX_ACL, RATE_LIMIT: "0", LOG_LENGTH: "1000000" };
const WRITES = isLong ? 2_000 : 100;

let cluster: RedisClusterServers | undefined;
const hosts: SelfHosted[] = [];
const clients: MemX[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const host of hosts.splice(0)) await host.close();
  await cluster?.stop();
});

async function start(redisUrl: string): Promise<SelfHosted> {
  const host = await startSelfHosted("redis", { ...SETTINGS, REDIS_URL: redisUrl });
  hosts.push(host);
  return host;
}

function connect({ url }: SelfHosted, apiKey: string): MemX {
  const memx = new MemX({ apiKey, baseUrl: url, timeoutMs: 5_000, retries: 200 });
  clients.push(memx);
  return memx;
}

it("finds the cluster by one of its servers, and tells other machines at once in every namespace", async () => {
  cluster = await startRedisCluster();
  const [one = ""] = cluster.url.split(",");
  const [here, there] = [await start(one), await start(cluster.url)];
  await Promise.all(
    API_KEYS.map(async (apiKey) => {
      const events: ValueEvent[] = [];
      await connect(there, apiKey).watch("*", (event) => events.push(event)).ready;
      const memx = connect(here, apiKey);
      const written = [await memx.set("a", apiKey), await memx.set("expires", 1, { ttl: 1 }), await memx.set("a", 2)];
      const revisions = () => events.filter(({ action }) => action === "set").map(({ revision }) => revision);
      await expect.poll(revisions).toEqual(written.map(({ revision }) => revision));
      expect(await memx.get("a")).toMatchObject({ value: 2 });
      await expect.poll(() => events.at(-1)?.action).toBe("expire");
    }),
  );
});

it("goes on after a failover, loses no write that the replica had, and subscribers agree with the store", {
  tags: ["long"],
}, async () => {
  cluster = await startRedisCluster();
  const [here, there] = [await start(cluster.url), await start(cluster.url)];
  const apiKey = API_KEYS[0] as string;
  const events: ValueEvent[] = [];
  const resets: number[] = [];
  const subscription = connect(there, apiKey).watch("*", (event) => events.push(event), {
    onReset: (revision) => resets.push(revision),
  });
  await subscription.ready;
  const memx = connect(here, apiKey);
  const written: { key: string; value: number; revision: number }[] = [];
  let failedOver: Promise<void> | undefined;
  for (let value = 0; value < WRITES; value++) {
    const key = `k:${value % 5}`;
    written.push({ key, value, revision: (await memx.set(key, value)).revision });
    if (value === WRITES / 2) failedOver = cluster.failOver("{memx:user-0-x}:");
  }
  await failedOver;
  // One more after the failover in any case, so that subscribers hear of a loss.
  written.push({ key: "last", value: -1, revision: (await memx.set("last", -1)).revision });

  await expect.poll(() => events.at(-1)?.revision, { timeout: LONG_PATIENCE_MS }).toBe(written.at(-1)?.revision);
  const order = events.map(({ revision }) => revision);
  // A reset brings the current values, each with its own revision.
  if (resets.length === 0) expect(order).toEqual(order.toSorted((a, b) => a - b));
  const history = [];
  for (const { key } of written.slice(-6)) history.push(...(await Array.fromAsync(memx.history(key))));
  const kept = new Set(history.map(({ revision }) => revision));
  const lost = written.filter(({ revision }) => !kept.has(revision));
  const cut = written[WRITES / 2]?.revision as number;
  console.log(
    `${lost.length} of ${written.length} acknowledged writes were lost with the master, ${resets.length} resets`,
  );
  // Replication is asynchronous: only what came right before the master died can be lost.
  expect(lost.filter(({ revision }) => revision <= cut - 50)).toEqual([]);
  const told = new Map(events.map(({ key, value, revision }) => [key, { value, revision }]));
  for (const key of told.keys()) expect(await memx.get(key)).toMatchObject(told.get(key) as object);
});
