// The targets of memX, as ratios within one run, because absolute rates depend on the machine.

import { type Calls, HEARD } from "./calls.ts";
import type { Way } from "./connect.ts";
import type { Cost } from "./cost.ts";
import type { Results } from "./results.ts";
import { medianRatio } from "./statistics.ts";

const [EMBEDDED, REDIS] = ["memX embedded", "memX on Redis"] as const;

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
    results.throughput?.find((place) => place.operation === operation && place.contestant === contestant);
  const call = rates("call", "floor");
  const idle = results.sockets?.find(({ contestant, feed }) => contestant === EMBEDDED && feed === "subscribe");
  return [
    rateAtLeast("get, of the floor's empty call", rates("get", EMBEDDED), call, 0.9),
    rateAtLeast("set, of the floor's empty call", rates("set", EMBEDDED), call, 0.65),
    rateAtLeast("set with a schema, of set", rates("set-schema", EMBEDDED), rates("set", EMBEDDED), 0.9),
    rateAtLeast("set, Redis, of the bare EVALSHA Worker", rates("set", REDIS), rates("evalsha", "floor"), 0.75),
    ...judgeConnect(results.connect),
    ...judgeDelivery(results.delivery),
    ...judgeRows(results.calls),
    between("get at 1 M keys, embedded, of get at 1 k", growth(results, EMBEDDED), 0.9, 1.1),
    between("get at 1 M keys, Redis, of get at 1 k", growth(results, REDIS), 0.9, 1.1),
    atMost("KiB of the bundle without MCP, gzip", results.size && results.size.bundleGzipBytes / 1024, 125),
    atMost("KiB of memory per idle socket", idle && idle.bytesPerSocket / 1024, 8),
  ];
}

/** With 64 calls in flight unless the name says otherwise: on one socket or connection, or on as many connections over HTTP. */
function judgeConnect(connect: Results["connect"]): Target[] {
  const rates = (operation: string, contestant: string, way: Way, inFlight = 64) =>
    connect?.find(
      (place) =>
        place.operation === operation &&
        place.contestant === contestant &&
        place.way === way &&
        place.connections === (way === "HTTP" ? inFlight : 1) &&
        place.inFlight === (way === "HTTP" ? 1 : inFlight),
    );
  const socket = (operation: string) => rates(operation, EMBEDDED, "socket");
  const alone = (operation: string) =>
    ratio(rates(operation, EMBEDDED, "socket", 1)?.p50Ms, rates(operation, EMBEDDED, "HTTP", 1)?.p50Ms);
  return [
    rateAtLeast("get by socket, 64 in flight, of etcd's range", socket("get"), rates("get", "etcd", "HTTP"), 5),
    rateAtLeast("set by socket, 64 in flight, of etcd's put", socket("set"), rates("set", "etcd", "HTTP"), 1.5),
    rateAtLeast("get by socket, 64 in flight, of NATS KV", socket("get"), rates("get", "NATS KV", "client"), 1.5),
    rateAtLeast(
      "set by socket, 64 in flight, of NATS KV, sync each",
      socket("set"),
      rates("set", "NATS KV, sync each", "client"),
      1,
    ),
    atMost("p50 of a get by socket, one at a time, of HTTP", alone("get"), 0.7),
    atMost("p50 of a set by socket, one at a time, of HTTP", alone("set"), 0.7),
    rateAtLeast(
      "set by socket, Redis, 64 in flight, of HTTP",
      rates("set", REDIS, "socket"),
      rates("set", REDIS, "HTTP"),
      4,
    ),
  ];
}

function judgeDelivery(delivery: Results["delivery"]): Target[] {
  const times = (contestant: string, subscribers: number, feed: string) =>
    delivery?.find(
      (measured) =>
        measured.contestant === contestant && measured.subscribers === subscribers && measured.feed === feed,
    )?.lastMs;
  const [alone, broadcast] = [times(EMBEDDED, 0, "subscribe"), times("floor", 1, "broadcast")];
  const both = broadcast && alone?.map((ms, round) => ms + (broadcast[round] ?? Number.NaN));
  return [
    atMost(
      "set to its subscriber, of a set alone and the bare broadcast",
      ratio(times(EMBEDDED, 1, "subscribe"), both),
      1.15,
    ),
    atMost(
      "set to the last of 1,000, of the bare broadcast",
      ratio(times(EMBEDDED, 1000, "subscribe"), times("floor", 1000, "broadcast")),
      1.15,
    ),
  ];
}

function judgeRows(calls: Results["calls"]): Target[] {
  const counted = (what: string, contestant: string) =>
    calls?.find((operation) => operation.what === what && operation.contestant === contestant);
  const alone = counted("set, one key", EMBEDDED);
  const heard = [counted(HEARD, EMBEDDED), counted(HEARD, REDIS)];
  const rows = (operation: Calls | undefined) => operation && operation.storeRows + operation.channelRows;
  const ofChannels = heard.flatMap((operation) => (operation ? [operation.channelRows] : []));
  return [
    atMost("rows written by a set", rows(alone), 2),
    atMost("rows written by a set with a subscriber", rows(heard[0]), 2),
    atMost("rows written by an event at a channel", ofChannels.length > 0 ? Math.max(...ofChannels) : undefined, 0),
  ];
}

function growth(results: Results, contestant: string): number | undefined {
  return results.growth?.find((result) => result.contestant === contestant && result.keys === 1_000_000)?.getRatio;
}

function between(what: string, measured: number | undefined, least: number, most: number): Target {
  const reached = measured === undefined ? undefined : measured >= least && measured <= most;
  return { what, measured, bound: `${least} to ${most}`, reached };
}

function rateAtLeast(what: string, over: Cost | undefined, under: Cost | undefined, bound: number): Target {
  if (!over || !under) return { what, measured: undefined, bound: `≥ ${bound}`, reached: undefined };
  const measured = medianRatio(over.perSecond, under.perSecond);
  // Inverted, because more processor time means fewer operations.
  const byCpu = medianRatio(under.allMicros, over.allMicros);
  return { what, measured, byCpu, bound: `≥ ${bound}`, reached: measured >= bound };
}

const ratio = (over: number[] | undefined, under: number[] | undefined) => over && under && medianRatio(over, under);

function atMost(what: string, measured: number | undefined, bound: number): Target {
  return { what, measured, bound: `≤ ${bound}`, reached: measured === undefined ? undefined : measured <= bound };
}
