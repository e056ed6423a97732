// A channel with relays in another region, whose process stops for a while, as if it were cut off, and goes on.

import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { MemX, type ValueEvent } from "../../sdk/typescript/index.ts";
import { isLong } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { type Regions, startRegions } from "./support/regions.ts";
import type { Workerd } from "./support/workerd.ts";

const WRITES = 1_000;
/** Of the channel itself, and in the other region: its head and leaves of four each. */
const [NEAR, FAR] = [10, 12];

let regions: Regions | undefined;
const clients: MemX[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  // It would not end.
  regions?.far.process.kill("SIGCONT");
  await regions?.stop();
  regions = undefined;
});

function connect({ url }: Workerd): MemX {
  const memx = new MemX({ apiKey: "local_dev_key", baseUrl: url });
  clients.push(memx);
  return memx;
}

/** The changes of a subscriber in order of arrival, and the values, since it last had to begin again. */
type Subscriber = {
  readonly revisions: readonly number[];
  readonly current: ReadonlyMap<string, unknown>;
  readonly resets: () => number;
};

async function subscribe(memx: MemX, onEvent: (event: ValueEvent) => void = () => {}): Promise<Subscriber> {
  const revisions: number[] = [];
  const current = new Map<string, unknown>();
  let resets = 0;
  const subscription = memx.watch(
    "*",
    (event: ValueEvent) => {
      revisions.push(event.revision);
      current.set(event.key, event.value);
      onEvent(event);
    },
    {
      onReset: () => {
        resets++;
        revisions.length = 0;
        current.clear();
      },
    },
  );
  await subscription.ready;
  return { revisions, current, resets: () => resets };
}

/** Milliseconds from the call of a write until each subscriber of the channel itself has it. */
class Latencies {
  readonly #sentMs = new Map<unknown, number>();
  #measured: number[] = [];

  readonly received = ({ value }: ValueEvent): void => {
    this.#measured.push(performance.now() - (this.#sentMs.get(idOf(value)) ?? Number.NaN));
  };

  sent(id: number): void {
    this.#sentMs.set(id, performance.now());
  }

  /** Returns those since the last call. */
  take(): number[] {
    const measured = this.#measured;
    this.#measured = [];
    return measured;
  }
}

const idOf = (value: unknown) => (value as { id?: number }).id;

function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)] as number;
}

function residentMiB({ process }: Workerd): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process.pid}/status`, "utf8"))?.[1]) / 1024;
}

const round = (value: number) => Math.round(value * 10) / 10;

it.runIf(isLong).each([
  { seconds: 20, log: 100_000, how: "the changes that they missed" },
  { seconds: 60, log: 300, how: "a reset" },
])(
  "a region that stops for $seconds s slows no other, and its subscribers then get $how",
  { tags: ["long"] },
  async ({ seconds, log }) => {
    regions = await startRegions({ RELAY_KEEP: String(NEAR), RELAY_LEAF: "4", LOG_LENGTH: String(log) });
    const { home, far } = regions;
    const writer = connect(home);
    const latencies = new Latencies();
    await writer.set("begin", { id: 0 });
    const near: Subscriber[] = [];
    for (let n = 0; n < NEAR; n++) near.push(await subscribe(connect(home), latencies.received));
    const others: Subscriber[] = [];
    for (let n = 0; n < FAR; n++) others.push(await subscribe(connect(far)));
    let id = 0;
    const written: number[] = [];
    const write = async (count: number, everyMs: number) => {
      const begin = performance.now();
      for (let n = 0; n < count; n++) {
        latencies.sent(++id);
        const { revision } = await writer.set(`key-${id % 7}`, { id, text: "x".repeat(1_000) });
        written.push(revision);
        await wait(Math.max(0, begin + (n + 1) * everyMs - performance.now()));
      }
      await expect.poll(() => near.every(({ revisions }) => revisions.at(-1) === written.at(-1))).toBe(true);
    };
    const everyMs = (seconds * 1_000) / WRITES;

    // Both by turns, because a machine is not as fast all the time.
    await write(WRITES / 2, everyMs);
    const running = latencies.take();
    far.process.kill("SIGSTOP");
    await write(WRITES, everyMs);
    const stopped = latencies.take();
    far.process.kill("SIGCONT");
    const resumed = performance.now();
    const isUpToDate = () => others.every(({ current }) => [...current.values()].some((value) => idOf(value) === id));
    await expect.poll(isUpToDate, { timeout: LONG_PATIENCE_MS }).toBe(true);
    const lateMs = performance.now() - resumed;
    await write(WRITES / 2, everyMs);
    running.push(...latencies.take());
    await expect.poll(isUpToDate, { timeout: LONG_PATIENCE_MS }).toBe(true);

    const p99 = [percentile(running, 0.99), percentile(stopped, 0.99)] as const;
    console.log({
      seconds,
      p99Ms: { running: round(p99[0]), stopped: round(p99[1]) },
      medianMs: { running: round(percentile(running, 0.5)), stopped: round(percentile(stopped, 0.5)) },
      upToDateAfterS: round(lateMs / 1_000),
      resets: others.map(({ resets }) => resets()),
    });
    for (const { revisions } of near) expect(revisions).toEqual(written);
    expect(running).toHaveLength(WRITES * NEAR);
    expect(stopped).toHaveLength(WRITES * NEAR);
    expect(p99[1]).toBeLessThan(3 * p99[0] + 100);
    expect(lateMs).toBeLessThan(40_000);
    for (const { revisions, current, resets } of others) {
      if (resets() === 0) expect(revisions).toEqual(written);
      expect(new Set(revisions).size).toBe(revisions.length);
      expect(revisions.slice(-WRITES / 2)).toEqual(written.slice(-WRITES / 2));
      for (let n = 0; n < 7; n++) expect(current.get(`key-${(id - n) % 7}`)).toMatchObject({ id: id - n });
    }
    expect(others.some(({ resets }) => resets() > 0)).toBe(log < WRITES);
  },
);

it.runIf(isLong)(
  "keeps little for a region that is stopped, whatever is written meanwhile",
  { tags: ["long"] },
  async () => {
    regions = await startRegions({ RELAY_KEEP: "0", LOG_LENGTH: "20" });
    const { home, far } = regions;
    const writer = connect(home);
    await writer.set("begin", 0);
    const { current } = await subscribe(connect(far));
    let last = 0;
    /** Writes 250 MB within 20 seconds, and returns the most memory that the process had. */
    const write = async () => {
      let most = 0;
      const begin = performance.now();
      for (let n = 0; n < WRITES; n++) {
        last++;
        await writer.set(`large-${last % 30}`, { id: last, text: "x".repeat(256_000) });
        most = Math.max(most, residentMiB(home));
        await wait(Math.max(0, begin + (n + 1) * 20 - performance.now()));
      }
      return most;
    };
    const running = await write();
    far.process.kill("SIGSTOP");
    const stopped = await write();
    far.process.kill("SIGCONT");
    const resumed = performance.now();
    // More than memX lets be unread.
    const ids = () => [...current.values()].map((value) => Number(idOf(value))).sort((a, b) => a - b);
    const newest = Array.from({ length: 30 }, (_, n) => last - 29 + n);
    await expect.poll(() => ids().slice(-30), { timeout: LONG_PATIENCE_MS }).toEqual(newest);
    const lateMs = performance.now() - resumed;
    console.log({
      residentMiB: { running: round(running), stopped: round(stopped) },
      upToDateAfterS: round(lateMs / 1_000),
    });
    expect(lateMs).toBeLessThan(40_000);
    expect(stopped).toBeLessThan(running + 128);
  },
);
