// Computes when the last of up to a million subscribers has a change, with relays and without, from what a socket and a relay cost
// here and from distances between regions. Not a measurement. node bench/simulate-relays.ts --socket 20 --relay 250

import { parseArgs } from "node:util";
import { createRandom } from "../test/support/random.ts";
import { quantile } from "./statistics.ts";

const { values } = parseArgs({
  options: {
    /** Microseconds of processor time for a socket, and for a relay, both ends together, as bench/measure-relays.ts prints. */
    socket: { type: "string", default: "20" },
    relay: { type: "string", default: "250" },
    keep: { type: "string", default: "2000" },
    leaf: { type: "string", default: "2000" },
    /** Milliseconds to wake an object. 0 for objects that are awake. */
    wake: { type: "string", default: "0" },
    runs: { type: "string", default: "301" },
  },
});
const socketMs = Number(values.socket) / 1_000;
/** At each end. */
const relayMs = Number(values.relay) / 2 / 1_000;
const [keep, leaf, wakeMs, runs] = [values.keep, values.leaf, values.wake, values.runs].map(Number) as [
  number,
  number,
  number,
  number,
];

/** Where subscribers are, in percent, and the milliseconds from the channel's region to theirs, one way. */
const REGIONS = {
  enam: { share: 30, distanceMs: 2 },
  wnam: { share: 20, distanceMs: 32 },
  weur: { share: 20, distanceMs: 42 },
  apac: { share: 15, distanceMs: 88 },
  eeur: { share: 5, distanceMs: 54 },
  sam: { share: 5, distanceMs: 62 },
  oc: { share: 5, distanceMs: 100 },
} as const;

/** Milliseconds between two objects of a region, and from an object to a client near it. */
const NEAR_MS = 1.5;
const LAST_MILE_MS = 5;
const JITTER = 0.12;

/** The platform refuses more sockets on one object, and memX more on one channel. */
const MAX_SUBSCRIBERS = 10_000;

type Node = { readonly sockets: number; readonly leaves: readonly number[]; readonly distanceMs: number };

/** Where subscribers go: the first to the channel, the others to the head of their region and then to its leaves. */
function layOut(subscribers: number): { channel: number; heads: Node[] } {
  const channel = Math.min(subscribers, keep);
  const heads = Object.values(REGIONS).flatMap(({ share, distanceMs }) => {
    const here = Math.round(((subscribers - channel) * share) / 100);
    if (here === 0) return [];
    const onLeaves = Math.max(0, here - leaf);
    const count = Math.ceil(onLeaves / leaf);
    const leaves = Array.from({ length: count }, (_, n) => Math.floor((onLeaves + n) / count));
    return [{ sockets: here - onLeaves, leaves, distanceMs }];
  });
  return { channel, heads };
}

const random = createRandom("relays");

/** Normal, from two uniform numbers; never less than 70 %. */
function jittered(ms: number): number {
  const normal = Math.sqrt(-2 * Math.log(random.number(1e-12, 1))) * Math.cos(2 * Math.PI * random.number(0, 1));
  return ms * Math.max(0.7, 1 + JITTER * normal);
}

/** When the last of `sockets` that are sent to from `beginMs` on has it, each at the distance of one of the regions. */
function lastOf(sockets: number, beginMs: number, distances: readonly number[]): number {
  if (sockets === 0) return 0;
  let last = 0;
  // All that can be the last one: the last few of each region, because jitter is small against the rest.
  for (const [n, distance] of distances.entries()) {
    for (let m = 0; m < Math.min(20, Math.ceil(sockets / distances.length)); m++) {
      const place = sockets - 1 - m * distances.length - n;
      if (place < 0) break;
      last = Math.max(last, beginMs + (place + 1) * socketMs + jittered(distance + LAST_MILE_MS));
    }
  }
  return last;
}

function lastMs({ channel, heads }: ReturnType<typeof layOut>): number {
  const all = Object.values(REGIONS).map(({ distanceMs }) => distanceMs);
  let nowMs = wakeMs;
  let last = 0;
  // Relays first, so that the calls are on their way while the channel sends.
  for (const head of heads) {
    nowMs += relayMs;
    let atMs = nowMs + jittered(head.distanceMs) + wakeMs + relayMs;
    for (const sockets of head.leaves) {
      atMs += relayMs;
      last = Math.max(last, lastOf(sockets, atMs + jittered(NEAR_MS) + wakeMs + relayMs, [0]));
    }
    last = Math.max(last, lastOf(head.sockets, atMs, [0]));
  }
  return Math.max(last, lastOf(channel, nowMs, all));
}

function shown(layout: ReturnType<typeof layOut>): string {
  const times = Array.from({ length: runs }, () => lastMs(layout));
  return `${Math.round(quantile(times, 0.5))} / ${Math.round(quantile(times, 0.99))}`;
}

console.log(
  "| subscribers | one channel | with relays | relays | calls by one object, at most | processor time, all objects |",
);
console.log("| --- | --- | --- | --- | --- | --- |");
for (const subscribers of [1_000, 2_000, 5_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]) {
  const layout = layOut(subscribers);
  const relays = layout.heads.reduce((sum, { leaves }) => sum + 1 + leaves.length, 0);
  const mostCalls = Math.max(layout.heads.length, ...layout.heads.map(({ leaves }) => leaves.length));
  const processorMs = subscribers * socketMs + relays * relayMs * 2;
  const cells = [
    subscribers.toLocaleString("en-US"),
    subscribers > MAX_SUBSCRIBERS ? "refused" : shown({ channel: subscribers, heads: [] }),
    relays === 0 ? "the same" : shown(layout),
    relays,
    mostCalls,
    processorMs < 1_000 ? `${Math.round(processorMs)} ms` : `${(processorMs / 1_000).toFixed(1)} s`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
