// Measures the time from the call that sends a message until the last of many subscribers has it. With no subscriber, the
// time until its response.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import type { Contestant } from "./contestants/contestant.ts";
import { FEEDS, type Feed } from "./feeds.ts";
import { cpuSeconds } from "./processes.ts";
import { startAll } from "./start-all.ts";
import { median } from "./statistics.ts";
import type { Open, SubscriberEvent } from "./subscribers.ts";

/** The median of each round, in milliseconds. */
export type Delivery = {
  readonly feed: string;
  readonly contestant: string;
  readonly subscribers: number;
  readonly firstMs: number[];
  readonly lastMs: number[];
  /** Microseconds of processor time per message and subscriber, of which a set alone has one: of all server processes, and of the subscribers. */
  readonly serverMicros: number[];
  readonly subscriberMicros: number[];
};

export type DeliveryOptions = {
  readonly rounds: number;
  readonly sizes: readonly number[];
  /** The number of messages for a number of subscribers. */
  readonly messages: (subscribers: number) => number;
  readonly only: (feed: Feed, subscribers: number) => boolean;
};

/** Messages before the measurement begins. */
const WARM_UP = 20;

let topics = 0;

export async function measureDelivery(
  { rounds, sizes, messages, only }: DeliveryOptions,
  say: (line: string) => void,
): Promise<Delivery[]> {
  const results = new Map<string, Delivery>();
  for (let round = 0; round < rounds; round++) {
    const feeds = FEEDS.filter((feed) => sizes.some((size) => only(feed, size)));
    const { contestants, stop } = await startAll(new Set(feeds.map(({ contestant }) => contestant)));
    try {
      for (const subscribers of sizes) {
        const shift = round % feeds.length;
        for (const feed of [...feeds.slice(shift), ...feeds.slice(0, shift)]) {
          if (!only(feed, subscribers)) continue;
          const contestant = contestants.get(feed.contestant);
          if (contestant === undefined) throw new Error(`${feed.contestant} was not started`);
          const count = messages(subscribers);
          const delivered = await deliver(feed, contestant, subscribers, count).catch((error) => {
            throw new Error(
              `${feed.name} on ${feed.contestant} with ${subscribers} subscribers: ${error.message}\n${contestant.output()}`,
            );
          });
          const key = `${feed.name} ${feed.contestant} ${subscribers}`;
          const result = results.get(key) ?? {
            feed: feed.name,
            contestant: feed.contestant,
            subscribers,
            firstMs: [],
            lastMs: [],
            serverMicros: [],
            subscriberMicros: [],
          };
          results.set(key, result);
          result.firstMs.push(median(delivered.firstMs));
          result.lastMs.push(median(delivered.lastMs));
          result.serverMicros.push(delivered.serverMicros);
          result.subscriberMicros.push(delivered.subscriberMicros);
        }
      }
    } finally {
      await stop();
    }
    const shown = [...results.values()].map(
      (result) => `${result.feed} ${result.contestant} ${result.subscribers}: ${result.lastMs.at(-1)?.toFixed(2)} ms`,
    );
    say(`round ${round + 1} of ${rounds}: ${shown.join(", ")}`);
  }
  return [...results.values()];
}

async function deliver(
  feed: Feed,
  { port, headers, pids }: Contestant,
  subscribers: number,
  messages: number,
): Promise<{ firstMs: number[]; lastMs: number[]; serverMicros: number; subscriberMicros: number }> {
  const topic = `feed:${++topics}:`;
  const crowd =
    subscribers > 0 ? await openSubscribers({ ...feed.subscribe(topic), port, count: subscribers }) : undefined;
  const connection = await openConnection(port);
  const [firstMs, lastMs]: [number[], number[]] = [[], []];
  const cpu = () => [cpuSeconds(pids), crowd ? cpuSeconds([crowd.process.pid ?? 0]) : 0] as const;
  try {
    const warmUp = Math.min(WARM_UP, messages);
    let before = cpu();
    for (let message = 1; message <= warmUp + messages; message++) {
      if (message === warmUp + 1) before = cpu();
      const request = feed.send(topic, message, headers);
      const reached = crowd?.reached(message);
      const sentMs = nowMs();
      const responded = connection.send(request).then(nowMs);
      const [at, respondedMs] = await Promise.all([reached, responded]);
      // For work that a server does after its response.
      await sleep(5);
      if (message <= warmUp) continue;
      firstMs.push((at?.firstMs ?? respondedMs) - sentMs);
      lastMs.push((at?.lastMs ?? respondedMs) - sentMs);
    }
    const after = cpu();
    const micros = (seconds: number) => (seconds * 1e6) / messages / Math.max(1, subscribers);
    return {
      firstMs,
      lastMs,
      serverMicros: micros(after[0] - before[0]),
      subscriberMicros: micros(after[1] - before[1]),
    };
  } finally {
    connection.close();
    await crowd?.close();
  }
}

/** By the clock that the subscribers use. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

type ReachedAll = Extract<SubscriberEvent, { event: "reached_all" }>;

export type Crowd = {
  /** Resolves with the times at which the first and the last subscriber had the message. */
  reached(message: number): Promise<{ readonly firstMs: number; readonly lastMs: number }>;
  readonly process: ChildProcess;
  close(): Promise<void>;
};

export async function openSubscribers(open: Open): Promise<Crowd> {
  const child = fork(join(import.meta.dirname, "subscribers.ts"), { stdio: ["ignore", "inherit", "pipe", "ipc"] });
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  const ended = once(child, "close");
  const failed = ended.then(() => Promise.reject(new Error(`the subscribers exited: ${errors.trim()}`)));
  // The calls below report the rejection.
  failed.catch(() => undefined);
  const waiting = new Map<number, (reached: ReachedAll) => void>();
  const { promise: opened, resolve } = Promise.withResolvers<void>();
  child.on("message", (event: SubscriberEvent) => {
    if (event.event === "open") resolve();
    else waiting.get(event.message)?.(event);
  });
  child.send(open);
  await Promise.race([opened, failed]);
  return {
    process: child,
    reached(message) {
      const { promise, resolve } = Promise.withResolvers<ReachedAll>();
      waiting.set(message, resolve);
      return Promise.race([promise, failed, late(message)]);
    },
    async close() {
      if (child.exitCode === null) child.send("close");
      await ended;
    },
  };
}

/** Rejects after far more time than any contestant needs. */
async function late(message: number): Promise<never> {
  await sleep(60_000, undefined, { ref: false });
  throw new Error(`message ${message} did not reach all subscribers within a minute`);
}
