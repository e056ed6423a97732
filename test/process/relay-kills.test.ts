// A channel with relays whose process is killed again and again, while 300 clients subscribe and one writes.

import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { MemX, type ValueEvent } from "../../sdk/typescript/index.ts";
import { amount } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { killGroup } from "./support/dev-server.ts";
import { newDisk, startWorkerd } from "./support/workerd.ts";

const KILLS = amount(1, 10);
const SUBSCRIBERS = 300;
const SECONDS_BETWEEN_KILLS = 5;
const WRITES_PER_SECOND = 50;
const apiKey = "local_dev_key";
/** 50 subscribers stay on the channel, 100 on its head, and the others on leaves. The log reaches back to the beginning. */
const bindings = { REGION: "enam", RELAY_KEEP: "50", RELAY_LEAF: "100", LOG_LENGTH: "100000" };

const clients: MemX[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

it(`every subscriber has every change once and in order after ${KILLS} kills`, { tags: ["long"] }, async () => {
  const disk = newDisk();
  let memx = await startWorkerd({ disk, bindings });
  // The address stays, and the server behind it changes.
  const current = () => memx.url;
  class CurrentWebSocket extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address.replace("ws://memx", current().replace("http", "ws")), protocols);
    }
  }
  const connect = () => {
    const client = new MemX({
      apiKey,
      baseUrl: "http://memx",
      fetch: (url, init) => fetch(url.replace("http://memx", current()), init),
      WebSocket: CurrentWebSocket as never,
      calls: "http",
      retries: 50,
    });
    clients.push(client);
    return client;
  };

  const logs: number[][] = [];
  const resets: number[] = [];
  const subscribe = async (n: number) => {
    const log: number[] = [];
    logs.push(log);
    const listener = ({ revision }: ValueEvent) => log.push(revision);
    await connect().watch("*", listener, { onReset: () => resets.push(n) }).ready;
  };
  const writer = connect();
  await writer.set("begin", 0);
  // Some at a time, so that each finds the place that the ones before have left it.
  for (let n = 0; n < SUBSCRIBERS; n += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, m) => subscribe(n + m)));
  }

  // The channel, its head, and at least two leaves have a file each.
  expect(readdirSync(join(disk, "channel")).filter((file) => file.endsWith(".sqlite")).length).toBeGreaterThanOrEqual(
    4,
  );

  let isOver = false;
  const written: number[] = [];
  const write = async (name: number) => {
    for (let n = 0; !isOver; n++) {
      const { revision } = await writer.set(`key-${name}-${n % 10}`, n);
      written.push(revision);
      await wait(4_000 / WRITES_PER_SECOND);
    }
  };
  const writers = Promise.all([0, 1, 2, 3].map(write));
  for (let kill = 0; kill < KILLS; kill++) {
    await wait(SECONDS_BETWEEN_KILLS * 1_000);
    const ended = once(memx.process, "exit");
    killGroup(memx.process.pid);
    await ended;
    memx = await startWorkerd({ disk, bindings });
  }
  await wait(SECONDS_BETWEEN_KILLS * 1_000);
  isOver = true;
  await writers;
  written.sort((a, b) => a - b);
  const behind = () => logs.filter((log) => log.at(-1) !== written.at(-1)).length;
  await expect.poll(behind, { timeout: LONG_PATIENCE_MS }).toBe(0);
  console.log({ kills: KILLS, writes: written.length, subscribers: logs.length });
  // Each write was acknowledged, also if it was tried again, so the log has exactly these.
  expect(new Set(logs.map((log) => log.join())).size).toBe(1);
  expect(logs[0]).toEqual(written);
  expect(resets).toEqual([]);
  expect(written.length).toBeGreaterThan(50 * KILLS);
});
