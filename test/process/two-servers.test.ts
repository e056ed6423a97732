// Two memX servers on one Redis, as at two Cloudflare locations. They share one history.

import { afterEach, beforeEach, expect, it } from "vitest";
import { type RedisBridge, startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { amount } from "../support/long-runs.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { command } from "./support/redis-command.ts";
import { startWorkerd } from "./support/workerd.ts";

const TOKEN = "a-token";
const WRITERS = 8;
const WRITES_EACH = amount(80, 1_000);

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

it("a subscriber on one server gets changes at once after a subscriber of the same key on the other has left", async () => {
  const events = { "/subscribe/a": "a", "/watch?pattern=*": "" };
  for (const [path, key] of Object.entries(events)) {
    const marks = async () => String(await command(redis.url, "HGET", `{memx:}:entry:${key}`, "watcher"));
    const stays = await subscribe(0, path);
    const leaves = await subscribe(1, path);
    const token = (await marks()).split(" ").findLast((text) => text.length > 20) as string;
    leaves.socket.close();
    // The next change that the other server makes finds no socket there, and ends its watch.
    const marksAfterChange = async () => {
      await set(1, "from the other server");
      return marks();
    };
    await expect.poll(marksAfterChange).not.toContain(token);
    await set(0, `to ${path}`);
    await expect.poll(() => stays.texts.join("\n")).toContain(`"to ${path}"`);
    stays.socket.close();
  }
});

/** Resolves when the server has registered the subscriber. */
async function subscribe(server: number, path: string): Promise<{ socket: WebSocket; texts: string[] }> {
  const key = `memx.key.${Buffer.from("local_dev_key").toString("base64url")}`;
  const socket = new WebSocket((urls[server] as string).replace("http", "ws") + path, ["memx.v1", key]);
  const texts: string[] = [];
  socket.addEventListener("message", ({ data }) => texts.push(data as string));
  await expect.poll(() => texts.length).toBeGreaterThan(0);
  return { socket, texts };
}

async function set(server: number, value: string): Promise<void> {
  const body = JSON.stringify({ key: "a", value });
  const response = await fetch(`${urls[server]}/set`, { method: "POST", headers: HEADERS, body });
  expect(response.status).toBe(200);
}
