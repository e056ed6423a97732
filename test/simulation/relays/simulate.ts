// The simulations of relays. One has faults of all sorts; one has none, and shows how soon each change arrives; and some lead to a
// moment that chance hardly reaches.

import { Channel } from "../../../durable-objects/channel/channel.ts";
import type { Forward } from "../../../durable-objects/channel/links.ts";
import { ALL_KEYS } from "../../../memory/store/store.ts";
import type { Client } from "./client.ts";
import { CALM } from "./network.ts";
import type { ChannelClass } from "./platform.ts";
import { Simulation } from "./simulation.ts";

/** Milliseconds after the last fault in which every subscriber must have every change: an alarm, and what it leads to. */
const HEAL_MS = 40_000;

/** Milliseconds in which a change arrives where nothing fails. */
const PROMPT_MS = 1_500;

const STORMY_MS = 245_000;
const CALM_MS = 120_000;

export type Simulated = { readonly faults: readonly string[]; readonly counts: Readonly<Record<string, number>> };

/** Everything fails, and then nothing. In the end every subscriber has had every change once and in order, or a reset. */
export async function simulateFaults(seed: number, channel: ChannelClass = Channel): Promise<Simulated> {
  const weather = { lost: 0.05, lostReply: 0.05, slow: 0.05, doubled: 0.05, isOrdered: false };
  const simulation = new Simulation(String(seed), { weather, logLengths: [10, 30, 1_000], channel });
  const { clock, network, random, clients } = simulation;
  const often = (times: number, withinMs: number, act: () => void) => {
    for (let n = 0; n < times; n++) clock.after(random.number(0, withinMs), act);
  };
  await simulation.run(async (keyHash) => {
    often(random.integer(8, 12), 20_000, () => void simulation.subscribe(keyHash));
    for (let n = 0; n < 200; n++)
      clock.after(random.number(0, 1) * random.number(0, 240_000), () => void simulation.set());
    for (let n = 0; n < 4; n++) {
      const beginMs = random.number(0, 200_000);
      for (let m = 0; m < 20; m++) clock.after(beginMs + random.number(0, 300), () => void simulation.set());
    }
    often(14, 200_000, () => {
      network.count("crashes");
      simulation.anyNode().crash();
    });
    often(100, 240_000, () => {
      if (simulation.anyNode().hibernate()) network.count("hibernations");
    });
    often(6, 180_000, () => simulation.cutOff(simulation.anyNode(), random.number(0, 40_000)));
    often(15, 200_000, () => {
      if (clients.length > 0) random.pick(clients).reconnect();
    });
    await clock.runUntil(STORMY_MS);
    network.weather = CALM;
    network.healAll();
    await clock.runUntil(STORMY_MS + HEAL_MS);
  });
  return { faults: simulation.judge(), counts: simulation.counts };
}

/** Nothing fails, but objects sleep, and subscribers come and go. Whoever is there has each change soon. */
export async function simulatePromptness(seed: number, channel: ChannelClass = Channel): Promise<Simulated> {
  const simulation = new Simulation(`prompt ${seed}`, { weather: CALM, logLengths: [1_000], channel });
  const { clock, network, random, topic } = simulation;
  const late: string[] = [];
  await simulation.run(async (keyHash) => {
    const present = new Set<Client>();
    const come = () => {
      const client = simulation.subscribe(keyHash);
      present.add(client);
      clock.after(random.number(500, 20_500), () => {
        present.delete(client);
        client.leave();
      });
    };
    for (let n = 0; n < 60; n++) clock.after(random.number(0, CALM_MS - 10_000), come);
    const set = () => {
      const key = random.pick(["a", "a", "b"]);
      const revision = simulation.set(key);
      if (topic.key !== ALL_KEYS && key !== topic.key) return;
      const there = [...present].filter((client) => client.isConnected);
      clock.after(PROMPT_MS, () => {
        for (const client of there) {
          if (!present.has(client) || client.arrivals.has(revision)) continue;
          late.push(`${client.name} does not have ${revision} after ${PROMPT_MS} ms`);
        }
      });
    };
    for (let n = 0; n < 150; n++) clock.after(random.number(0, CALM_MS), set);
    for (let n = 0; n < 60; n++) {
      clock.after(random.number(0, CALM_MS - 10_000), () => {
        if (simulation.anyNode().hibernate()) network.count("hibernations");
      });
    }
    await clock.runUntil(CALM_MS + 5_000);
  });
  return { faults: late, counts: simulation.counts };
}

const HEAD = { region: "enam", index: 0 };

/** No faults but those that a simulation arranges, and few subscribers at each node, all in one region. */
const directed = (channel: ChannelClass, room = 1) =>
  new Simulation("directed", {
    weather: { ...CALM, isOrdered: false },
    logLengths: [1_000],
    key: "a",
    channel,
    room,
  });

/** A relay says that it is not needed, and before its parent hears that, a new subscriber makes it register again. */
export async function simulateLateGone(channel: ChannelClass = Channel): Promise<Simulated> {
  const simulation = directed(channel);
  const { clock, network } = simulation;
  const [parent, relay] = [simulation.node(), simulation.node(HEAD)];
  const faults: string[] = [];
  await simulation.run(async (keyHash) => {
    simulation.subscribe(keyHash, HEAD.region);
    await clock.runUntil(1_000);
    const first = simulation.subscribe(keyHash, HEAD.region);
    await clock.runUntil(2_000);
    if (relay.stored("topic") === undefined) faults.push("no subscriber came to the relay");
    first.leave();
    await clock.runUntil(2_500);
    network.hold(relay.name, parent.name, { calls: 1, forMs: 2_500 });
    simulation.set("a");
    await clock.runUntil(3_000);
    const second = simulation.subscribe(keyHash, HEAD.region);
    await clock.runUntil(6_000);
    const revision = simulation.set("a");
    await clock.runUntil(6_000 + PROMPT_MS);
    if (!second.arrivals.has(revision)) faults.push("the subscriber that came meanwhile does not get the next change");
  });
  return { faults, counts: simulation.counts };
}

/** A relay takes long to answer while more is written than may wait for it. */
export async function simulateSlowRelay(channel: ChannelClass = Channel): Promise<Simulated> {
  const simulation = directed(channel);
  const { clock, network } = simulation;
  const [parent, relay] = [simulation.node(), simulation.node(HEAD)];
  const faults: string[] = [];
  let forwarded = 0;
  network.onCall = (to, method, [forward]) => {
    if (method !== "forward" || to !== relay.name) return;
    for (const { json } of (forward as Forward).changes) forwarded += json?.length ?? 0;
  };
  await simulation.run(async (keyHash) => {
    simulation.subscribe(keyHash, HEAD.region);
    await clock.runUntil(1_000);
    const client = simulation.subscribe(keyHash, HEAD.region);
    await clock.runUntil(2_000);
    network.hold(relay.name, parent.name, { calls: 4, forMs: 3_000 });
    const large = JSON.stringify("x".repeat(250_000));
    let last = 0;
    for (let n = 0; n < 48; n++) last = simulation.set("a", large);
    await clock.runUntil(2_000 + HEAL_MS);
    // 4 calls under way with at most 1 Mi each, and 8 Mi that waited. The rest is in the log.
    if (forwarded > 9 * 1024 * 1024) faults.push(`${forwarded} characters were kept for a relay`);
    if (!client.arrivals.has(last)) faults.push("the subscriber of the slow relay does not have the last change");
  });
  return { faults: [...faults, ...simulation.judge()], counts: simulation.counts };
}

/** The store takes long to answer a channel that registers. Meanwhile there is a write, and then another subscriber comes. */
export async function simulateSlowRegistration(channel: ChannelClass = Channel): Promise<Simulated> {
  const simulation = directed(channel, 2);
  const { clock, network } = simulation;
  await simulation.run(async (keyHash) => {
    network.hold("store", simulation.node().name, { calls: 1, forMs: 2_000 });
    simulation.subscribe(keyHash, HEAD.region, { live: true });
    await clock.runUntil(1_000);
    network.hold("worker", simulation.node().name, { calls: 1, forMs: 4_000 });
    simulation.set("a");
    simulation.subscribe(keyHash, HEAD.region, { live: true });
    await clock.runUntil(HEAL_MS);
  });
  return { faults: simulation.judge(), counts: simulation.counts };
}
