// The targets of memX, as ratios within one run, because absolute rates depend on the machine.

import type { Delivery } from "./delivery.ts";
import type { Results } from "./results.ts";
import { medianRatio } from "./statistics.ts";
import type { Rates } from "./throughput.ts";

export type Target = {
  readonly what: string;
  readonly measured: number | undefined;
  /** The same ratio by processor time per operation, of all processes involved. It is steadier on a shared machine. */
  readonly byCpu?: number | undefined;
  readonly bound: string;
  /** `undefined` if the run did not measure it. */
  readonly reached: boolean | undefined;
};

export function judge(results: Results): Target[] {
  const rates = (operation: string, contestant: string) =>
    results.throughput?.find((place: Rates) => place.operation === operation && place.contestant === contestant);
  const times = (contestant: string, subscribers: number, feed: string) =>
    results.delivery?.find(
      (delivery: Delivery) =>
        delivery.contestant === contestant && delivery.subscribers === subscribers && delivery.feed === feed,
    )?.lastMs;
  const ratio = (over: number[] | undefined, under: number[] | undefined) => over && under && medianRatio(over, under);

  const embedded = "memX embedded";
  const call = rates("call", "floor");
  const idle = results.sockets?.find(({ contestant, feed }) => contestant === embedded && feed === "subscribe");
  return [
    rateAtLeast("set, embedded, of the floor's empty call", rates("set", embedded), call, 0.7),
    rateAtLeast("get, embedded, of the floor's empty call", rates("get", embedded), call, 0.85),
    rateAtLeast("set with a schema, of set", rates("set-schema", embedded), rates("set", embedded), 0.9),
    rateAtLeast(
      "set, Redis, of the bare EVALSHA Worker",
      rates("set", "memX on Redis"),
      rates("evalsha", "floor"),
      0.8,
    ),
    rateAtLeast("set, embedded, of etcd's put", rates("set", embedded), rates("set", "etcd"), 1),
    rateAtLeast("get, embedded, of etcd's range", rates("get", embedded), rates("get", "etcd"), 1),
    atMost(
      "set to its subscriber, of the bare broadcast",
      ratio(times(embedded, 1, "subscribe"), times("floor", 1, "broadcast")),
      1.5,
    ),
    atMost(
      "set to the last of 1,000, of the bare broadcast",
      ratio(times(embedded, 1000, "subscribe"), times("floor", 1000, "broadcast")),
      1.2,
    ),
    between("get at 1 M keys, embedded, of get at 1 k", growth(results, embedded), 0.9, 1.1),
    between("get at 1 M keys, Redis, of get at 1 k", growth(results, "memX on Redis"), 0.9, 1.1),
    atMost("KiB of the bundle, gzip", results.size && results.size.bundleGzipBytes / 1024, 130),
    atMost("KiB of memory per idle socket", idle && idle.bytesPerSocket / 1024, 8),
  ];
}

function growth(results: Results, contestant: string): number | undefined {
  return results.growth?.find((result) => result.contestant === contestant && result.keys === 1_000_000)?.getRatio;
}

function between(what: string, measured: number | undefined, least: number, most: number): Target {
  const reached = measured === undefined ? undefined : measured >= least && measured <= most;
  return { what, measured, bound: `${least} to ${most}`, reached };
}

function rateAtLeast(what: string, over: Rates | undefined, under: Rates | undefined, bound: number): Target {
  if (!over || !under) return { what, measured: undefined, bound: `≥ ${bound}`, reached: undefined };
  const measured = medianRatio(over.perSecond, under.perSecond);
  // Inverted, because more processor time means fewer operations.
  const byCpu = medianRatio(under.allMicros, over.allMicros);
  return { what, measured, byCpu, bound: `≥ ${bound}`, reached: measured >= bound };
}

function atMost(what: string, measured: number | undefined, bound: number): Target {
  return { what, measured, bound: `≤ ${bound}`, reached: measured === undefined ? undefined : measured <= bound };
}
