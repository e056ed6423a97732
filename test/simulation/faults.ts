// The faults of a simulation: in announcements on their way to a channel, and in objects that lose memory or crash.

import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Channel } from "../../durable-objects/channel/channel.ts";
import { engine } from "../support/engine.ts";
import type { Random } from "../support/random.ts";
import type { World } from "./world.ts";

export type FaultPlan = {
  readonly random: Random;
  readonly isQuiet: () => boolean;
  readonly count: (what: string) => void;
};

type Publish = Channel["publish"];

/** Wraps the binding: announcements are dropped, doubled, delayed (and so reordered), or fail. */
export function faultyChannels(channels: Env["CHANNEL"], { random, isQuiet, count }: FaultPlan): Env["CHANNEL"] {
  // Some simulations have hardly any faults, some have little else.
  const rate = random.pick([0.1, 0.4, 0.8]);
  const dropRate = random.pick([0.2, 0.5, 0.9]);
  /** While above 0, no announcement arrives, as when a channel is unreachable for a time. */
  let outage = 0;

  const getByName = (name: string) => {
    const publish: Publish = async (...change) => {
      const send = () => channels.getByName(name).publish(...change);
      if (isQuiet()) return send();
      count("announcements");
      if (outage === 0 && random.chance(0.02)) outage = random.integer(10, 60);
      if (outage > 0) {
        outage--;
        count("dropped");
        return 0;
      }
      if (!random.chance(rate)) return send();
      if (random.chance(dropRate)) {
        count("dropped");
        return 0;
      }
      switch (random.pick(["delay", "delay", "double", "fail before", "fail after"])) {
        case "delay":
          count("delayed");
          await scheduler.wait(random.number(1, 40));
          return send();
        case "double":
          count("doubled");
          return (await Promise.all([send(), scheduler.wait(random.number(0, 40)).then(send)]))[0];
        case "fail after":
          count("failed");
          await send();
          throw retryable();
        default:
          count("failed");
          throw retryable();
      }
    };
    return { publish, fetch: (...args: Parameters<Fetcher["fetch"]>) => channels.getByName(name).fetch(...args) };
  };
  return { getByName } as unknown as Env["CHANNEL"];
}

/** The plans of the simulations, by namespace, for calls that one object makes to another. */
export const plans = new Map<string, FaultPlan>();

/** How often a call to a node begins a partition, and its longest time. */
const PARTITION_RATE = 0.01;
const MAX_PARTITION_MS = 400;

/**
 * Calls between channels and their relays are lost on their way there or back, doubled, and delayed. Some nodes are cut off from the
 * others for a time. Returns what ends it.
 */
export function disturbRelays(): () => void {
  /** Until when, by the name of the node. */
  const cutOff = new Map<string, number>();
  const names = ["forward", "relayWatch", "relayUnwatch"] as const;
  const originals = names.map((name) => Channel.prototype[name]);
  for (const name of names) {
    const original = Channel.prototype[name] as (...args: unknown[]) => Promise<unknown>;
    const disturbed = async function (this: { ctx: DurableObjectState }, ...args: unknown[]) {
      const call = () => original.apply(this, args);
      const node = this.ctx.id.name ?? "[]";
      const plan = plans.get(JSON.parse(node)[0]);
      if (!plan || plan.isQuiet()) return call();
      if (plan.random.chance(PARTITION_RATE)) {
        plan.count("partitions");
        cutOff.set(node, Date.now() + plan.random.number(0, MAX_PARTITION_MS));
      }
      if (Date.now() < (cutOff.get(node) ?? 0)) {
        plan.count(`${name} cut off`);
        throw retryable();
      }
      if (!plan.random.chance(0.2)) return call();
      plan.count(`${name} disturbed`);
      switch (plan.random.pick(["delay", "double", "fail before", "fail after"])) {
        case "delay":
          await scheduler.wait(plan.random.number(1, 60));
          return call();
        case "double":
          return (await Promise.all([call(), scheduler.wait(plan.random.number(0, 40)).then(call)]))[0];
        case "fail after":
          await call();
          throw retryable();
        default:
          throw retryable();
      }
    };
    Channel.prototype[name] = disturbed as never;
  }
  return () => {
    for (const [n, name] of names.entries()) Channel.prototype[name] = originals[n] as never;
  };
}

/** The platform marks errors like this if the call can be repeated. */
const retryable = () => Object.assign(new Error("simulated"), { retryable: true });

/** Evicts and crashes objects at random moments, until the quiet phase. */
export async function causeHavoc(world: World, random: Random): Promise<void> {
  const meanPauseMs = random.pick([15, 60, 200]);
  for (;;) {
    await world.pause(random.number(0, 2 * meanPauseMs));
    if (world.isQuiet) return;
    const channel = env.CHANNEL.getByName(random.pick(world.channelNames));
    const what = random.pick(["channel evicted", "channel evicted", "channel crashed", "store evicted", "alarm"]);
    world.count(what);
    try {
      if (what === "channel evicted") await evictDurableObject(channel);
      else if (what === "channel crashed") await crash(channel);
      else if (what === "store evicted") await evictStore(world.namespace);
      else await runDurableObjectAlarm(channel);
    } catch {
      // An object that was never called cannot be evicted, and a crash is an error for its caller.
    }
  }
}

/**
 * Breaks its sockets and clears its memory. Not with `state.abort()`: that can interrupt the test pool's own work in
 * the object, and then the test hangs.
 */
async function crash(channel: DurableObjectStub<Channel>): Promise<void> {
  await evictDurableObject(channel, { webSockets: "close" });
}

async function evictStore(namespace: string): Promise<void> {
  if (engine === "embedded") return evictDurableObject(env.EMBEDDED_STORE.getByName(`namespace:${namespace}`));
  await fetch(env.UPSTASH_REDIS_REST_URL as string, {
    method: "POST",
    headers: { authorization: `Bearer ${env.UPSTASH_REDIS_REST_TOKEN}` },
    body: '["SCRIPT","FLUSH"]',
  }).then((response) => response.text());
}
