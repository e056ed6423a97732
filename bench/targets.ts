// What memX sets out to reach, as ratios within one run: how fast a machine is says nothing about memX.

import type { Delivery } from "./delivery.ts";
import type { Results } from "./results.ts";
import { medianRatio } from "./statistics.ts";
import type { Rates } from "./throughput.ts";

export type Target = {
  readonly what: string;
  readonly measured: number | undefined;
  readonly bound: string;
  /** `undefined` where the run did not measure it. */
  readonly reached: boolean | undefined;
};

export function judge(results: Results): Target[] {
  const rate = (operation: string, contestant: string) =>
    results.throughput?.find((rates: Rates) => rates.operation === operation && rates.contestant === contestant)
      ?.perSecond;
  const times = (contestant: string, subscribers: number, feed: string) =>
    results.delivery?.find(
      (delivery: Delivery) =>
        delivery.contestant === contestant && delivery.subscribers === subscribers && delivery.feed === feed,
    )?.lastMs;
  const ratio = (over: number[] | undefined, under: number[] | undefined) => over && under && medianRatio(over, under);

  const embedded = "memX embedded";
  const call = rate("call", "floor");
  const idle = results.sockets?.find(({ contestant, feed }) => contestant === embedded && feed === "subscribe");
  return [
    atLeast("set, embedded, of the floor's empty call", ratio(rate("set", embedded), call), 0.7),
    atLeast("get, embedded, of the floor's empty call", ratio(rate("get", embedded), call), 0.85),
    atLeast("set with a schema, of set", ratio(rate("set-schema", embedded), rate("set", embedded)), 0.9),
    atLeast(
      "set, Redis, of the bare EVALSHA Worker",
      ratio(rate("set", "memX on Redis"), rate("evalsha", "floor")),
      0.8,
    ),
    atLeast("set, embedded, of etcd's put", ratio(rate("set", embedded), rate("set", "etcd")), 1),
    atLeast("get, embedded, of etcd's range", ratio(rate("get", embedded), rate("get", "etcd")), 1),
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
  return results.growth?.find((so) => so.contestant === contestant && so.keys === 1_000_000)?.getRatio;
}

function between(what: string, measured: number | undefined, least: number, most: number): Target {
  const reached = measured === undefined ? undefined : measured >= least && measured <= most;
  return { what, measured, bound: `${least} to ${most}`, reached };
}

function atLeast(what: string, measured: number | undefined, bound: number): Target {
  return { what, measured, bound: `≥ ${bound}`, reached: measured === undefined ? undefined : measured >= bound };
}

function atMost(what: string, measured: number | undefined, bound: number): Target {
  return { what, measured, bound: `≤ ${bound}`, reached: measured === undefined ? undefined : measured <= bound };
}
