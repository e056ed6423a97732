// Measures what a relay costs: changes to subscribers of a channel without relays, of one that could have relays but has too few
// subscribers, and of a relay; and to a relay that gets each change with a call of its own. Part of npm run bench, or by hand: npm
// run build && node bench/measure-relays.ts

import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openConnection } from "./connection.ts";
import { type Memx, startMemx } from "./contestants/memx.ts";
import { openSubscribers } from "./delivery.ts";
import { FEEDS } from "./feeds.ts";
import { cpuSeconds } from "./processes.ts";
import { median, medianRatio } from "./statistics.ts";

const HOP = { REGION: "enam", RELAY_KEEP: "0", RELAY_LEAF: "10000" };

/** Settings of each memX. */
const VARIANTS = {
  channel: {},
  "below K": { REGION: "enam", RELAY_KEEP: "10000" },
  relay: HOP,
  "call each": HOP,
} as const;

export type Variant = keyof typeof VARIANTS;

/** The medians of each round. */
export type RelayRound = {
  readonly variant: Variant;
  readonly subscribers: number;
  /** Milliseconds until the last subscriber has a change that comes alone, and microseconds of processor time for it. */
  readonly lastMs: number[];
  readonly serverMicros: number[];
  /** Changes a second, as fast as they come. */
  readonly perSecond: number[];
};

export type RelayOptions = {
  readonly rounds: number;
  readonly sizes: readonly number[];
  /** Changes that come alone, and changes of a burst, for a number of subscribers. */
  readonly alone: (subscribers: number) => number;
  readonly burst: (subscribers: number) => number;
};

export const QUICK: RelayOptions = { rounds: 1, sizes: [1, 20], alone: () => 2, burst: () => 4 };

export const FULL: RelayOptions = {
  rounds: 3,
  sizes: [1, 100, 1_000, 5_000],
  alone: (subscribers) => Math.max(8, Math.min(60, Math.round(30_000 / subscribers))),
  burst: (subscribers) => Math.max(15, Math.min(1_500, Math.round(60_000 / subscribers))),
};

const CONNECTIONS = 16;

/** A bundle that sends each change at once, in a call of its own. */
function configOfCallEach(): string {
  const [bundle, config] = ["dist/call-each.js", "dist/call-each.capnp"];
  let text = readFileSync("dist/index.js", "utf8");
  // The bundle is minified: any number of calls under way, and one change in each.
  for (const [pattern, edited] of [
    [/\.inFlight>=[\w$]+/g, ".inFlight>=1/0"],
    [/\.length<[\w$]+(?=;\)\{let [\w$]+=[\w$]+\.queue\.shift\(\))/g, ".length<1"],
  ] as const) {
    if (text.match(pattern)?.length !== 1) throw new Error(`dist/index.js must have ${pattern} once`);
    text = text.replace(pattern, edited);
  }
  writeFileSync(bundle, text);
  const source = readFileSync("config/workerd.capnp", "utf8");
  const embedded = 'embed "../dist/index.js"';
  if (source.split(embedded).length !== 2) throw new Error(`config/workerd.capnp must have ${embedded} once`);
  writeFileSync(config, source.replace(embedded, 'embed "call-each.js"'));
  return config;
}

export async function measureRelays(options: RelayOptions, say: (line: string) => void): Promise<RelayRound[]> {
  const { rounds, sizes } = options;
  const results = new Map<string, RelayRound>();
  const names = Object.keys(VARIANTS) as Variant[];
  const servers = new Map<Variant, Memx>();
  try {
    for (const name of names) {
      const config = name === "call each" ? { config: configOfCallEach() } : {};
      servers.set(name, await startMemx({ settings: VARIANTS[name], ...config }));
    }
    for (let round = 0; round < rounds; round++) {
      for (const subscribers of sizes) {
        // In another order each time.
        const shift = round % names.length;
        for (const variant of [...names.slice(shift), ...names.slice(0, shift)]) {
          const measured = await measure(servers.get(variant) as Memx, subscribers, options);
          const key = `${variant} ${subscribers}`;
          const empty: RelayRound = { variant, subscribers, lastMs: [], serverMicros: [], perSecond: [] };
          const result = results.get(key) ?? empty;
          results.set(key, result);
          result.lastMs.push(measured.lastMs);
          result.serverMicros.push(measured.serverMicros);
          result.perSecond.push(measured.perSecond);
        }
      }
      say(`round ${round + 1} of ${rounds} of relays: the median so far\n${relayTables([...results.values()])}`);
    }
  } finally {
    for (const { stop } of servers.values()) await stop();
  }
  return [...results.values()];
}

let topics = 0;

async function measure({ port, headers, pids }: Memx, subscribers: number, { alone, burst }: RelayOptions) {
  const feed = FEEDS[0];
  if (!feed) throw new Error("there is no feed");
  const topic = `relays:${++topics}`;
  const crowd = await openSubscribers({ ...feed.subscribe(topic), port, count: subscribers });
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => openConnection(port)));
  let message = 0;
  try {
    const sendAlone = async () => {
      const request = feed.send(topic, ++message, headers);
      const reached = crowd.reached(message);
      const sentMs = Number(process.hrtime.bigint()) / 1e6;
      const [{ lastMs }] = await Promise.all([reached, connections[0]?.send(request)]);
      await sleep(3);
      return lastMs - sentMs;
    };
    const count = alone(subscribers);
    for (let n = 0; n < count / 2; n++) await sendAlone();
    const before = cpuSeconds(pids);
    const times: number[] = [];
    for (let n = 0; n < count; n++) times.push(await sendAlone());
    const serverMicros = ((cpuSeconds(pids) - before) * 1e6) / count;
    const changes = burst(subscribers);
    const last = message + changes;
    const begunMs = Number(process.hrtime.bigint()) / 1e6;
    const reached = Array.from({ length: changes }, (_, n) => crowd.reached(message + 1 + n));
    const send = async (connection: (typeof connections)[number]) => {
      while (message < last) await connection.send(feed.send(topic, ++message, headers));
    };
    await Promise.all(connections.map(send));
    const endedMs = Math.max(...(await Promise.all(reached)).map(({ lastMs }) => lastMs));
    return { lastMs: median(times), serverMicros, perSecond: (changes * 1_000) / (endedMs - begunMs) };
  } finally {
    for (const { close } of connections) close();
    await crowd.close();
  }
}

/** The tables of a run, in Markdown, and what a socket and a relay cost. */
export function relayTables(results: readonly RelayRound[]): string {
  const of = (variant: Variant, subscribers: number) =>
    results.find((result) => result.variant === variant && result.subscribers === subscribers) as RelayRound;
  const sizes = [...new Set(results.map(({ subscribers }) => subscribers))];
  const rows = sizes.map((size) => {
    const [channel, below, relay, each] = (["channel", "below K", "relay", "call each"] as const).map((name) =>
      of(name, size),
    ) as [RelayRound, RelayRound, RelayRound, RelayRound];
    const ratio = (a: number[], b: number[]) => medianRatio(a, b).toFixed(2);
    return [
      size.toLocaleString("en-US"),
      median(channel.lastMs).toFixed(1),
      `${median(below.lastMs).toFixed(1)} (${ratio(below.lastMs, channel.lastMs)})`,
      median(relay.lastMs).toFixed(1),
      `${ratio(below.serverMicros, channel.serverMicros)}`,
      Math.round(median(channel.perSecond)),
      `${Math.round(median(relay.perSecond))} (${ratio(relay.perSecond, channel.perSecond)})`,
      `${Math.round(median(each.perSecond))} (${ratio(relay.perSecond, each.perSecond)})`,
    ].join(" | ");
  });
  const { socketMicros, relayMicros } = relayCosts(results);
  return [
    "| subscribers | alone, channel, ms | below K | on a relay | processor below K | burst, channel, a second | on a relay | a call each |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row} |`),
    "",
    `A socket costs ${socketMicros.toFixed(1)} µs of processor time, and a relay ${relayMicros.toFixed(0)} µs, both ends together.`,
  ].join("\n");
}

/** Microseconds of processor time for a change: for each socket, and for each relay, both ends together. */
export function relayCosts(results: readonly RelayRound[]): { socketMicros: number; relayMicros: number } {
  const sizes = results.map(({ subscribers }) => subscribers);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const micros = (variant: Variant, size: number) =>
    median(results.find((result) => result.variant === variant && result.subscribers === size)?.serverMicros ?? []);
  return {
    socketMicros: (micros("channel", most) - micros("channel", least)) / (most - least),
    relayMicros: micros("relay", least) - micros("channel", least),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: "string", default: "3" }, quick: { type: "boolean", default: false } },
  });
  const options = values.quick ? QUICK : { ...FULL, rounds: Number(values.rounds) };
  await measureRelays(options, console.log);
}
