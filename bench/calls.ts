// Counts what one operation causes: calls of Durable Objects, rows that they write, requests to Redis, and commands inside
// them. It measures no times.

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { httpRequest, openConnection } from "./connection.ts";
import { startMemx } from "./contestants/memx.ts";
import { type BridgedRedis, startBridgedRedis } from "./contestants/redis.ts";
import { openSubscribers } from "./delivery.ts";
import { FEEDS } from "./feeds.ts";
import { type ContestantName, type Headers, OPERATIONS, prepare } from "./operations.ts";

export type Calls = {
  readonly what: string;
  readonly contestant: string;
  /** For one operation, like all below. */
  readonly durableObjectCalls: number;
  /** Rows that the embedded store writes, and rows that channels write. */
  readonly storeRows: number;
  readonly channelRows: number;
  readonly redisRequests: number;
  readonly redisCommands: number;
};

/** The set that a channel announces to a subscriber. */
export const HEARD = "set, with a subscriber";

const TIMES = 20;

export async function countCalls(): Promise<Calls[]> {
  const results: Calls[] = [];
  for (const contestant of ["memX embedded", "memX on Redis"] as const) {
    const redis = contestant === "memX on Redis" ? await startBridgedRedis() : undefined;
    try {
      results.push(...(await countOn(contestant, redis)));
    } finally {
      await redis?.stop();
    }
  }
  return results;
}

async function countOn(contestant: ContestantName, redis: BridgedRedis | undefined): Promise<Calls[]> {
  const memx = await startMemx({ redis, counting: true });
  const monitor = redis && (await openMonitor(redis.port));
  const connection = await openConnection(memx.port);
  const { port, headers } = memx;

  const count = async (what: string, request: (last: string | undefined, headers: Headers) => Buffer) => {
    // The first request finds empty caches.
    let last = await connection.send(request(undefined, headers));
    await sleep(100);
    const before = await readCounted(port);
    monitor?.read();
    for (let n = 0; n < TIMES; n++) last = await connection.send(request(last, headers));
    // For work that follows the response.
    await sleep(100);
    const counted = await readCounted(port);
    const { requests, commands } = monitor?.read() ?? { requests: 0, commands: 0 };
    return {
      what,
      contestant,
      durableObjectCalls: counted.calls / TIMES,
      storeRows: (counted.storeRows - before.storeRows) / TIMES,
      channelRows: (counted.channelRows - before.channelRows) / TIMES,
      redisRequests: requests / TIMES,
      redisCommands: commands / TIMES,
    };
  };

  try {
    await prepare(contestant, port, headers);
    const counted: Calls[] = [];
    for (const { what, on } of OPERATIONS) {
      const call = on[contestant]?.(headers);
      if (call) counted.push(await count(what, (last) => call.request(0, last)));
    }
    const feed = FEEDS.find((candidate) => candidate.contestant === contestant && candidate.name === "subscribe");
    if (feed) {
      const crowd = await openSubscribers({ ...feed.subscribe("counted"), port, count: 1 });
      let message = 0;
      counted.push(await count(HEARD, () => feed.send("counted", ++message, headers)));
      await crowd.close();
    }
    return counted;
  } finally {
    connection.close();
    monitor?.close();
    await memx.stop();
  }
}

/** Calls since the last time, and rows in all. */
async function readCounted(port: number): Promise<{ calls: number; storeRows: number; channelRows: number }> {
  const connection = await openConnection(port);
  const { calls, ...rows } = JSON.parse(await connection.send(httpRequest("GET", "/counted", {})));
  connection.close();
  return { ...rows, calls: Object.values<number>(calls).reduce((sum, number) => sum + number, 0) };
}

/** Counts what Redis receives, from its MONITOR. Commands of scripts have the address `lua`. */
async function openMonitor(port: number) {
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  let received = "";
  socket.setEncoding("latin1").on("data", (chunk) => (received += chunk));
  socket.write("MONITOR\r\n");
  return {
    read() {
      const lines = received.split("\n").filter((line) => /^\+\d+\.\d+ \[/.test(line));
      received = "";
      // The bridge sends PINGs of its own.
      const requests = lines.filter((line) => !/ \[\d+ lua\] /.test(line) && !/"PING"/i.test(line));
      return { requests: requests.length, commands: lines.filter((line) => / \[\d+ lua\] /.test(line)).length };
    },
    close: () => socket.destroy(),
  };
}
