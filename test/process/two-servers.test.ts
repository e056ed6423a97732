// Two memX servers on one Redis, as at two Cloudflare locations. They share one history.

import { afterEach, beforeEach, expect, it } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { isLong } from "../support/long-runs.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { startWorkerd } from "./support/workerd.ts";

const TOKEN = "a-token";
const WRITERS = 8;
const WRITES_EACH = isLong ? 1_000 : 80;

const HEADERS = { "x-api-key": "local_dev_key", "content-type": "application/json" };

let redis: RedisServer;
let bridges: RedisBridge[];
let urls: string[];

beforeEach(async () => {
  redis = await startRedisServer();
  bridges = [];
  urls = [];
  for (let server = 0; server < 2; server++) {
    const bridge = await startRedisBridge({ redisUrl: redis.url, token: TOKEN, port: 0, timeoutMs: 30_000 });
    bridges.push(bridge);
    const bindings = { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: TOKEN };
    urls.push((await startWorkerd({ bindings })).url);
  }
});

afterEach(async () => {
  for (const bridge of bridges ?? []) await bridge.close();
  await redis?.stop();
});

type Write = { readonly key: string; readonly value: string; readonly revision: number };

it("orders the writes on both servers without gaps, and both servers return the last value", {
  tags: ["long"],
}, async () => {
  const writes: Write[] = [];
  const refusals: string[] = [];

  const write = async (writer: number) => {
    for (let n = 0; n < WRITES_EACH; n++) {
      // Every other write goes to the key that all writers share.
      const key = n % 2 === 0 ? "shared" : `key-${(writer + n) % 10}`;
      const value = `write ${n} of writer ${writer}`;
      const body = JSON.stringify({ key, value });
      const response = await fetch(`${urls[writer % 2]}/set`, { method: "POST", headers: HEADERS, body });
      const text = await response.text();
      if (response.status === 200) writes.push({ key, value, revision: JSON.parse(text).revision });
      else refusals.push(text);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));

  expect(refusals).toEqual([]);
  expect(writes).toHaveLength(WRITERS * WRITES_EACH);
  writes.sort((a, b) => a.revision - b.revision);
  const first = writes[0]?.revision ?? 0;
  expect(writes.findIndex(({ revision }, index) => revision !== first + index)).toBe(-1);

  const last = new Map(writes.map((write) => [write.key, write]));
  expect(last.size).toBe(11);
  for (const { key, value, revision } of last.values()) {
    const entries = await Promise.all(
      urls.map(async (url) => (await fetch(`${url}/get?key=${key}`, { headers: HEADERS })).json()),
    );
    expect(entries[0], key).toMatchObject({ value, revision });
    expect(entries[1], key).toEqual(entries[0]);
  }
});
