// Subscribers come and go at a channel and its relays all the time, while others write.

import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { amount } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { createRandom, type Random } from "../support/random.ts";
import { startWorkerd } from "./support/workerd.ts";

const SECONDS = amount(5, 60);
const SUBSCRIBERS = 200;
const [WRITERS, WRITES_PER_SECOND] = [4, 20];
const TOKEN = "token-of-the-metrics";
const SEED = process.env.STORM_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
const apiKey = "local_dev_key";
/** 20 subscribers stay on the channel, 60 on its head, and the others on leaves. */
const bindings = { REGION: "enam", RELAY_KEEP: "20", RELAY_LEAF: "60", METRICS_TOKEN: TOKEN };

/** When each revision was written, in milliseconds. */
type Written = Map<number, number>;

class Storm {
  readonly written: Written = new Map();
  readonly faults: string[] = [];
  readonly latenciesMs: number[] = [];
  joins = 0;
  isOver = false;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async write(writer: number): Promise<void> {
    for (let n = writer; !this.isOver; n++) {
      const body = JSON.stringify({ key: `key-${n % 10}`, value: n });
      const headers = { "x-api-key": apiKey, "content-type": "application/json" };
      const sentMs = performance.now();
      const response = await fetch(`${this.#url}/set`, { method: "POST", headers, body });
      const { revision } = (await response.json()) as { revision: number };
      this.written.set(revision, sentMs);
      await wait((1_000 * WRITERS) / WRITES_PER_SECOND);
    }
  }

  /** Joins, stays for a while, leaves, and so on. Every change from `ready` on must come once and in order. */
  async subscribe(random: Random): Promise<void> {
    while (!this.isOver) {
      const key = `memx.key.${Buffer.from(apiKey).toString("base64url")}`;
      const socket = new WebSocket(`${this.#url.replace("http", "ws")}/watch?pattern=*`, ["memx.v1", key]);
      let last: number | undefined;
      socket.addEventListener("message", ({ data }) => {
        const { event, revision } = JSON.parse(String(data)) as { event: string; revision: number };
        if (event === "value") {
          if (last === undefined || revision !== last + 1) this.faults.push(`${revision} after ${last}`);
          const sentMs = this.written.get(revision);
          // The response to the write may come later than the event.
          if (sentMs !== undefined) this.latenciesMs.push(performance.now() - sentMs);
        } else if (event !== "ready" || last !== undefined) this.faults.push(`${event} after ${last}`);
        last = revision;
      });
      let isLeaving = false;
      socket.addEventListener("close", ({ code }) => {
        if (!isLeaving) this.faults.push(`closed with ${code}`);
      });
      await once(socket, "open");
      this.joins++;
      const stayMs = random.chance(0.2) ? random.number(10_000, 60_000) : random.number(100, 3_000);
      for (let waitedMs = 0; waitedMs < stayMs && !this.isOver; waitedMs += 100) await wait(100);
      if (this.isOver) {
        const newest = Math.max(...this.written.keys());
        await expect.poll(() => last, { timeout: LONG_PATIENCE_MS }).toBeGreaterThanOrEqual(newest);
      }
      const closed = once(socket, "close");
      isLeaving = true;
      socket.close(1000);
      await closed;
    }
  }
}

it(`${SUBSCRIBERS} subscribers come and go for ${SECONDS} s, and get every change while they are there (seed ${SEED})`, {
  tags: ["long"],
}, async () => {
  const { url } = await startWorkerd({ bindings });
  const relays = async () => {
    const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
    return [...(await response.text()).matchAll(/^memx_relays\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  };
  const storm = new Storm(url);
  const random = createRandom(SEED);
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, writer) => storm.write(writer)));
  await expect.poll(() => storm.written.size).toBeGreaterThan(0);
  const subscribers = Array.from({ length: SUBSCRIBERS }, (_, n) => storm.subscribe(random.fork(String(n))));
  await wait(SECONDS * 1_000);
  const [ofChannel, ofHead] = await relays();
  expect(ofChannel).toBe(1);
  expect(ofHead).toBeGreaterThanOrEqual(2);
  storm.isOver = true;
  await writers;
  await Promise.all(subscribers);
  const over = performance.now();
  await expect.poll(relays, { timeout: LONG_PATIENCE_MS, interval: 500 }).toEqual([0, 0]);
  const latencies = storm.latenciesMs.toSorted((a, b) => a - b);
  const figures = {
    joins: storm.joins,
    writes: storm.written.size,
    leaves: ofHead,
    p99Ms: Math.round(latencies[Math.floor(latencies.length * 0.99)] as number),
    mostMs: Math.round(latencies.at(-1) as number),
    emptyAfterS: Math.round((performance.now() - over) / 1_000),
  };
  console.log(figures);
  expect(storm.faults.slice(0, 20)).toEqual([]);
  expect(storm.joins).toBeGreaterThan(2 * SUBSCRIBERS);
  // None had to wait for a repair.
  expect(figures.mostMs).toBeLessThan(15_000);
});
