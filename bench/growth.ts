// Measures whether memX becomes slower as it fills: the rate of get and set on random keys, compared with a second memX
// that stays small and is measured in turn. Also measures how much memory and disk a key takes.

import { execFileSync } from "node:child_process";
import { httpRequest, openConnection } from "./connection.ts";
import { type Memx, startMemx } from "./contestants/memx.ts";
import { type BridgedRedis, startBridgedRedis } from "./contestants/redis.ts";
import { runLoad } from "./load.ts";
import { includes, updated, value } from "./operations.ts";
import { residentBytes } from "./processes.ts";
import { median, medianRatio } from "./statistics.ts";

export type Growth = {
  readonly contestant: string;
  readonly keys: number;
  /** Medians of the filled memX. */
  readonly getPerSecond: number;
  readonly setPerSecond: number;
  /** Medians of each round's ratio to the small memX. */
  readonly getRatio: number;
  readonly setRatio: number;
  /** Resident memory of workerd and of Redis. */
  readonly memxBytes: number;
  readonly redisBytes: number;
  readonly diskBytes: number;
};

export type GrowthOptions = {
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
};

const BATCH = 100;
const FILLERS = 4;

const name = (n: number) => `grown:${String(n).padStart(9, "0")}`;

export async function measureGrowth(options: GrowthOptions, say: (line: string) => void): Promise<Growth[]> {
  const results: Growth[] = [];
  for (const onRedis of [false, true]) {
    const stops: (() => Promise<void>)[] = [];
    try {
      const start = async () => {
        const redis = onRedis ? await startBridgedRedis() : undefined;
        if (redis) stops.push(redis.stop);
        const memx = await startMemx({ redis });
        stops.push(memx.stop);
        return { memx, redis };
      };
      const [small, large] = [await start(), await start()];
      const smallest = options.sizes[0] ?? 0;
      await fill(small.memx, 0, smallest);
      let filled = 0;
      for (const size of options.sizes) {
        await fill(large.memx, filled, size);
        filled = size;
        const growth = await compare(large, size, small.memx, smallest, options);
        results.push(growth);
        say(
          `${growth.contestant}, ${size} keys: get ${Math.round(growth.getPerSecond)} (× ${growth.getRatio.toFixed(2)}), ` +
            `set ${Math.round(growth.setPerSecond)} (× ${growth.setRatio.toFixed(2)})`,
        );
      }
    } finally {
      for (const stop of stops.toReversed()) await stop();
    }
  }
  return results;
}

async function fill({ port, headers }: Memx, from: number, to: number): Promise<void> {
  let next = from;
  await Promise.all(
    Array.from({ length: FILLERS }, async () => {
      const connection = await openConnection(port);
      while (next < to) {
        const first = next;
        next = Math.min(to, first + BATCH);
        const operations = Array.from({ length: next - first }, (_, n) => ({
          op: "set",
          key: name(first + n),
          value: value(first + n),
        }));
        const body = await connection.send(httpRequest("POST", "/batch", headers, { operations }));
        if (body.split('"updated":true').length !== operations.length + 1) throw new Error(`not filled: ${body}`);
      }
      connection.close();
    }),
  );
}

async function compare(
  { memx, redis }: { memx: Memx; redis: BridgedRedis | undefined },
  size: number,
  small: Memx,
  smallest: number,
  { rounds, seconds, connections }: GrowthOptions,
): Promise<Growth> {
  const rates = { get: [] as number[], set: [] as number[], smallGet: [] as number[], smallSet: [] as number[] };
  const measure = async ({ port, headers }: Memx, keys: number, operation: "get" | "set") => {
    const anyKey = () => name(Math.floor(Math.random() * keys));
    const get = () => httpRequest("GET", `/get?key=${encodeURIComponent(anyKey())}`, headers);
    const set = () => httpRequest("POST", "/set", headers, { key: anyKey(), value: value(1) });
    const { perSecond } = await runLoad({
      port,
      connections,
      seconds,
      warmUpSeconds: seconds / 4,
      request: operation === "get" ? get : set,
      check: operation === "get" ? includes('"agent":"researcher"') : updated,
    });
    return perSecond;
  };
  for (let round = 0; round < rounds; round++) {
    rates.smallGet.push(await measure(small, smallest, "get"));
    rates.get.push(await measure(memx, size, "get"));
    rates.smallSet.push(await measure(small, smallest, "set"));
    rates.set.push(await measure(memx, size, "set"));
  }
  return {
    contestant: memx.name,
    keys: size,
    getPerSecond: median(rates.get),
    setPerSecond: median(rates.set),
    getRatio: medianRatio(rates.get, rates.smallGet),
    setRatio: medianRatio(rates.set, rates.smallSet),
    memxBytes: residentBytes(memx.pids.slice(0, 1)),
    redisBytes: redis ? residentBytes(redis.pids.slice(0, 1)) : 0,
    diskBytes: diskBytes(redis?.folder ?? memx.folder),
  };
}

/** Allocated blocks, including space that a database has reserved. */
function diskBytes(folder: string): number {
  return Number(/^\d+/.exec(execFileSync("du", ["-sk", folder], { encoding: "utf8" }))?.[0]) * 1024;
}
