// One simulation: builds it from its seed, runs it, lets it settle, and judges it.

import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { channelName } from "../../memory/channels/topic.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import { createRandom } from "../support/random.ts";
import { causeHavoc } from "./faults.ts";
import { findFault } from "./oracle.ts";
import { Simulated } from "./subscriber.ts";
import { type Connection, orderedTruth, wantedBy } from "./truth.ts";
import { type Counts, nodeNames, World } from "./world.ts";
import { write } from "./writer.ts";

/**
 * Far more than settling takes, even on a busy machine. After that, missing changes count as lost. Less than the 30 s
 * after which a channel repairs itself, so that the one repair of `ringAlarms` must suffice.
 */
const MAX_SETTLE_MS = 25_000;

const MAX_SIMULATION_MS = 300_000;

type Settings = { readonly logLength: number };

export type Simulation = { readonly faults: readonly string[]; readonly counts: Counts };

export const apiKeyOf = (seed: number) => `simulation-${seed}`;

/** Eight characters, so that all of them are the namespace. */
export const userOf = (seed: number) => `s${seed.toString(36).padStart(7, "0")}`;

/** Rejects if the simulation hangs. */
export async function simulate(seed: number, settings: Settings): Promise<Simulation> {
  let phase = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stuck = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the simulation hangs while ${phase}`)), MAX_SIMULATION_MS);
  });
  const simulation = run(seed, settings, (next) => {
    phase = next;
  });
  return Promise.race([simulation, stuck]).finally(() => clearTimeout(timer));
}

async function run(seed: number, { logLength }: Settings, onPhase: (phase: string) => void): Promise<Simulation> {
  const random = createRandom(String(seed));
  const world = new World({ namespace: userOf(seed), apiKey: apiKeyOf(seed), random: random.fork("world") });
  const subscribers = Array.from(
    { length: random.integer(4, 8) },
    (_, n) => new Simulated(world, random.fork(`subscriber ${n}`)),
  );
  const lives = subscribers.map((subscriber) => subscriber.live());
  const havoc = causeHavoc(world, random.fork("havoc"));
  onPhase("writing");
  const writers = Array.from({ length: random.integer(3, 5) }, (_, n) => `writer-${n}`);
  await Promise.all(writers.map((name) => write(world, name, random.fork(name))));

  world.beginQuiet();
  onPhase("waiting for the last evictions");
  await havoc;
  const truth = orderedTruth(world.written);
  world.count("changes", truth.length);
  onPhase("waiting for the last announcements");
  await world.announced();
  const faults: string[] = [];
  await until(() => subscribers.every(isConnected));
  onPhase("ringing alarms");
  faults.push(...(await ringAlarms(world, subscribers)));
  const last = ({ filter }: Simulated) => wantedBy(filter, truth).at(-1)?.revision ?? 0;
  const judgment = { truth, logLength };
  // Judged again only after more messages: a judgment may take long, and all simulations share one thread.
  const judged = new Map<Connection, { readonly messages: number; readonly fault: string | undefined }>();
  const isComplete = (subscriber: Simulated) => {
    if (subscriber.control) return subscriber.hasAll(last(subscriber));
    const connection = subscriber.connections.at(-1) as Connection;
    const messages = connection.messages.length;
    let judgmentSoFar = judged.get(connection);
    if (judgmentSoFar?.messages !== messages) {
      judgmentSoFar = { messages, fault: findFault(connection, subscriber.filter, judgment) };
      judged.set(connection, judgmentSoFar);
    }
    return !connection.ended && judgmentSoFar.fault === undefined;
  };
  onPhase("settling");
  await until(() => subscribers.every(isComplete));
  onPhase("coming to rest");
  // Time for messages that should not come.
  await scheduler.wait(20);
  world.end();
  await Promise.all(lives);

  for (const subscriber of subscribers) {
    const { name, filter, connections } = subscriber;
    for (const fault of subscriber.faults) faults.push(`${name}: ${fault}`);
    if (subscriber.isPoll && !subscriber.hasAll(last(subscriber)))
      faults.push(`${name}: did not receive the last change`);
    for (const [index, connection] of connections.entries()) {
      // A poll that is still waiting.
      if (subscriber.isPoll && !connection.ended) continue;
      const fault = findFault(connection, filter, judgment);
      if (!fault) continue;
      const where = `connection ${index + 1} of ${connections.length}, since ${connection.since}`;
      faults.push(`${name} (${where}): ${fault}\n    ${connection.messages.map(brief).join(" ")}`);
    }
  }
  return { faults, counts: world.counts };
}

/** `false` for a subscriber that was closed and has not connected again yet. */
function isConnected({ connections }: Simulated): boolean {
  const last = connections.at(-1);
  return last !== undefined && last.open > 0 && !last.ended;
}

/** Stands for the 30 seconds after which every channel with subscribers compares itself with the store. */
async function ringAlarms({ namespace }: World, subscribers: readonly Simulated[]): Promise<string[]> {
  // Between two polls a channel may be empty, and an empty one has no alarm.
  const keys = new Set(subscribers.filter(({ isPoll }) => !isPoll).map(({ key }) => key ?? ALL_KEYS));
  const faults: string[] = [];
  for (const key of keys) {
    const channel = env.CHANNEL.getByName(channelName({ namespace, key }));
    // A subscriber may notice a crash late. Until it is back, the channel is empty and has no alarm.
    const isRung = await until(() => runDurableObjectAlarm(channel));
    if (!isRung) faults.push(`the channel of ${JSON.stringify(key)} had no alarm`);
    for (const name of nodeNames({ namespace, key }).slice(1)) await runDurableObjectAlarm(env.CHANNEL.getByName(name));
  }
  return faults;
}

/** Returns whether it was done in time. */
async function until(isDone: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const endMs = Date.now() + MAX_SETTLE_MS; Date.now() < endMs; await scheduler.wait(5)) {
    if (await isDone()) return true;
  }
  return false;
}

function brief({ received }: { received: { event: string; revision?: number; previous?: number } }): string {
  const { event, revision, previous } = received;
  return event === "ready" || event === "reset" ? `${event}:${revision}` : `${revision}←${previous}`;
}
