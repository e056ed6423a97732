// A topic with relays in virtual time: the real code of the Worker's join and publish and of the channel, on a simulated platform
// and store. What subscribers receive is judged as in the simulation on workerd.

import { vi } from "vitest";
import { openAccess } from "../../../memory/access/open-access.ts";
import { publish } from "../../../memory/channels/publish.ts";
import { nodeName, type Place, parentOf, type Topic } from "../../../memory/channels/topic.ts";
import { ALL_KEYS } from "../../../memory/store/store.ts";
import { createRandom, type Random } from "../../support/random.ts";
import { findFault } from "../oracle.ts";
import { orderedTruth, type WrittenChange } from "../truth.ts";
import { Client } from "./client.ts";
import { Clock } from "./clock.ts";
import { Network, type Weather } from "./network.ts";
import { type ChannelClass, environment, ObjectNode, type Platform } from "./platform.ts";
import { Connection, SimulatedSocket } from "./socket.ts";
import { StoreObject } from "./store.ts";

const REGIONS = ["enam", "weur"];
const API_KEY = "relays";

let namespaces = 0;

export class Simulation {
  readonly clock = new Clock();
  readonly random: Random;
  readonly network: Network;
  readonly platform: Platform;
  readonly store: StoreObject;
  readonly topic: Topic;
  readonly logLength: number;
  readonly clients: Client[] = [];
  readonly written: WrittenChange[] = [];
  readonly #moments = { now: () => ++this.#now, writesBegun: () => this.written.length };
  #now = 0;

  constructor(
    seed: string,
    {
      weather,
      logLengths,
      key,
      channel,
      room,
    }: {
      readonly weather: Weather;
      readonly logLengths: readonly number[];
      readonly key?: string | undefined;
      readonly channel: ChannelClass;
      /** Subscribers of each node. */
      readonly room?: number;
    },
  ) {
    const { clock } = this;
    const random = createRandom(seed);
    this.random = random;
    this.topic = {
      namespace: `r${(++namespaces).toString(36).padStart(7, "0")}`,
      key: key ?? random.pick([ALL_KEYS, "a"]),
    };
    this.logLength = random.pick(logLengths);
    this.store = new StoreObject(this.logLength);
    this.network = new Network(clock, random.fork("network"), weather);
    const acl = { [API_KEY]: { read: ["*"], write: ["*"], user_id: this.topic.namespace } };
    this.platform = {
      clock,
      random: random.fork("platform"),
      network: this.network,
      store: this.store,
      channel,
      nodes: new Map(),
      settings: {
        MEMX_ACL: JSON.stringify(acl),
        RELAY_KEEP: String(room ?? random.integer(1, 3)),
        RELAY_LEAF: String(room ?? random.integer(1, 3)),
      },
    };
  }

  /** Runs what `live` arranges, with the runtime's globals simulated. */
  async run(live: (keyHash: string) => Promise<void>): Promise<void> {
    const { platform, clock } = this;
    const access = openAccess(platform.settings as unknown as Env);
    // The list hashes its API keys at the first look-up, which takes real time.
    await access.find([]);
    const keyHash = await hashOf(API_KEY);
    const restore = clock.rule(this.random.fork("runtime"));
    simulateSockets(platform);
    // memX logs every fault that the simulation causes. No spies, which keep every call.
    const { warn, error } = console;
    Object.assign(console, { warn: () => {}, error: () => {} });
    const base = Object.getPrototypeOf(platform.channel);
    // `super` looks up the parent when it is called: the platform's own takes only a real context.
    Object.setPrototypeOf(platform.channel, SimulatedObject);
    try {
      await live(keyHash);
    } finally {
      Object.setPrototypeOf(platform.channel, base);
      Object.assign(console, { warn, error });
      restore();
    }
  }

  subscribe(keyHash: string, region = this.random.pick(REGIONS), { live = false } = {}): Client {
    const { platform, topic, clients } = this;
    const name = `subscriber ${clients.length} in ${region}`;
    const random = this.random.fork(name);
    const client = new Client(name, { platform, random, moments: this.#moments, topic, keyHash, region, live });
    clients.push(client);
    return client;
  }

  /** Sets a key. If the topic's channel watches, the Worker announces it, as far as the weather lets it. */
  set(key = this.random.pick(["a", "a", "b"]), json = String(this.written.length)): number {
    const { random, topic, platform, network } = this;
    const begun = this.#moments.now();
    const { change, watched, namespaceWatched } = this.store.set(key, json);
    const { revision, event } = change;
    this.written.push({
      revision,
      key,
      event,
      action: "set",
      json,
      by: undefined,
      begun,
      answered: this.#moments.now(),
    });
    network.count("changes");
    const isWatched = topic.key === ALL_KEYS ? namespaceWatched : watched && key === topic.key;
    if (!isWatched) return revision;
    const say = () => {
      const env = environment(platform, "worker");
      void publish(env, topic, { change, gaplessSince: 0 });
    };
    if (random.chance(network.weather.lost / 2)) network.count("announcements never made");
    else say();
    if (random.chance(network.weather.doubled)) this.clock.after(random.number(0, 3_000), say);
    return revision;
  }

  anyNode(): ObjectNode {
    const nodes = [...this.platform.nodes.values()];
    return nodes.length > 0 ? this.random.pick(nodes) : new ObjectNode(this.platform, nodeName(this.topic, undefined));
  }

  node(place?: Place): ObjectNode {
    const name = nodeName(this.topic, place);
    return this.platform.nodes.get(name) ?? new ObjectNode(this.platform, name);
  }

  /** Cuts off a node from its parent, or the other way round, or from the Workers or the store, for a while. */
  cutOff(node: ObjectNode, forMs: number): void {
    const [, , region, index] = JSON.parse(node.name) as [string, string, string | undefined, number];
    const above = region ? nodeName(this.topic, parentOf({ region, index })) : "worker";
    const [from, to] = this.random.pick([
      [above, node.name],
      [node.name, above],
      [node.name, "store"],
      [`worker ${region ?? REGIONS[0]}`, node.name],
    ] as const);
    this.network.cut(from, to);
    this.clock.after(forMs, () => this.network.heal(from, to));
  }

  /** What subscribers received that is wrong, or at the end did not receive. */
  judge(): string[] {
    const truth = orderedTruth(this.written);
    const keys = this.topic.key === ALL_KEYS ? ["a", "b"] : [this.topic.key];
    const faults: string[] = [];
    for (const { name, control, isConnected, connections } of this.clients) {
      if (!isConnected) faults.push(`${name} is not connected`);
      for (const [index, connection] of connections.entries()) {
        const fault = findFault(connection, { keys, event: "all" }, { truth, logLength: this.logLength });
        if (!fault) continue;
        const where = `connection ${index + 1} of ${connections.length}, since ${connection.since}`;
        faults.push(`${name}${control ? "" : ", plain"} (${where}): ${fault}`);
      }
    }
    return faults;
  }

  get counts(): Readonly<Record<string, number>> {
    const { clock, network, platform } = this;
    return { ...network.counts, steps: clock.steps, nodes: platform.nodes.size };
  }
}

/** The platform's own class takes only a real context. */
class SimulatedObject {
  protected readonly ctx: DurableObjectState;
  protected readonly env: Env;

  constructor(ctx: DurableObjectState, env: Env) {
    this.ctx = ctx;
    this.env = env;
  }
}

function simulateSockets({ clock, random }: Platform): void {
  vi.stubGlobal(
    "WebSocketPair",
    class {
      readonly 0: SimulatedSocket;
      readonly 1: SimulatedSocket;

      constructor() {
        const connection = new Connection(clock, random);
        this[0] = new SimulatedSocket(connection, { isServer: false });
        this[1] = new SimulatedSocket(connection, { isServer: true });
      }
    },
  );
  const RealResponse = Response;
  function SimulatedResponse(body: null, init: ResponseInit & { webSocket?: SimulatedSocket }) {
    const { status, headers, webSocket } = init;
    return webSocket ? { status, headers, webSocket } : new RealResponse(body, init as ResponseInit);
  }
  vi.stubGlobal("Response", SimulatedResponse);
}

async function hashOf(apiKey: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(apiKey));
  return new Uint8Array(digest).toHex();
}
