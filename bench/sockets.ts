// Memory of the runtime per idle socket: memX's, and a bare one's that does nothing but hibernate.

import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import type { Contestant } from "./contestants/contestant.ts";
import { type Crowd, openSubscribers } from "./delivery.ts";
import { FEEDS, type Feed } from "./feeds.ts";
import { residentBytes } from "./processes.ts";
import { startAll } from "./start-all.ts";

export type SocketMemory = { readonly feed: string; readonly contestant: string; readonly bytesPerSocket: number };

/** Objects are put to sleep after 10 seconds. */
const ASLEEP_MS = 15_000;

export async function measureSockets({ from, to, quick }: { from: number; to: number; quick: boolean }) {
  const feeds = FEEDS.filter(({ contestant }) => contestant === "floor" || contestant === "memX embedded");
  const results: SocketMemory[] = [];
  for (const feed of feeds) {
    const { contestants, stop } = await startAll(new Set([feed.contestant]));
    try {
      const contestant = contestants.get(feed.contestant) as Contestant;
      const bytesPerSocket = await bytesOf(feed, contestant, from, to, quick ? 0 : ASLEEP_MS);
      results.push({ feed: feed.name, contestant: feed.contestant, bytesPerSocket });
    } finally {
      await stop();
    }
  }
  return results;
}

/** Between some sockets and many, for what only the first costs not to count. */
async function bytesOf(
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
    // All of them are there, and are woken.
    const connection = await openConnection(port);
    const reached = crowds.map((crowd) => crowd.reached(1));
    await Promise.all([...reached, connection.ask(feed.send("idle", 1, headers))]);
    connection.close();
    return (many - few) / (to - from);
  } finally {
    for (const crowd of crowds) await crowd.close();
  }
}
