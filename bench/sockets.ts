// Measures the memory of workerd per idle socket, with memX and with a bare object that only hibernates.

import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import type { Contestant } from "./contestants/contestant.ts";
import { type Crowd, openSubscribers } from "./delivery.ts";
import { FEEDS, type Feed } from "./feeds.ts";
import { residentBytes } from "./processes.ts";
import { startAll } from "./start-all.ts";

export type SocketMemory = { readonly feed: string; readonly contestant: string; readonly bytesPerSocket: number };

/** The runtime hibernates idle objects after 10 seconds. */
const ASLEEP_MS = 15_000;

export async function measureSockets({ from, to, quick }: { from: number; to: number; quick: boolean }) {
  const feeds = FEEDS.filter(({ contestant }) => contestant === "floor" || contestant === "memX embedded");
  const results: SocketMemory[] = [];
  for (const feed of feeds) {
    const { contestants, stop } = await startAll(new Set([feed.contestant]));
    try {
      const contestant = contestants.get(feed.contestant) as Contestant;
      const bytesPerSocket = await bytesPerSocketOf(feed, contestant, from, to, quick ? 0 : ASLEEP_MS);
      results.push({ feed: feed.name, contestant: feed.contestant, bytesPerSocket });
    } finally {
      await stop();
    }
  }
  return results;
}

/** Compares a few sockets with many, so that one-time costs do not count. */
async function bytesPerSocketOf(
  feed: Feed,
  { port, headers, pids }: Contestant,
  from: number,
  to: number,
  asleepMs: number,
): Promise<number> {
  const crowds: Crowd[] = [];
  const settled = async (count: number) => {
    crowds.push(await openSubscribers({ ...feed.subscribe("idle"), port, count }));
    await sleep(asleepMs);
    return residentBytes(pids.slice(0, 1));
  };
  try {
    const few = await settled(from);
    const many = await settled(to - from);
    // Wakes the object, and checks that every socket is still open.
    const connection = await openConnection(port);
    const reached = crowds.map((crowd) => crowd.reached(1));
    await Promise.all([...reached, connection.send(feed.send("idle", 1, headers))]);
    connection.close();
    return (many - few) / (to - from);
  } finally {
    for (const crowd of crowds) await crowd.close();
  }
}
