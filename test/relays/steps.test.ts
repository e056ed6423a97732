// Between any two steps of subscribers, publishers and relays, every object may lose its memory, one of them or all.

import { evictAllDurableObjects, evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { type Agent, createAgent, setOperation } from "../support/agent.ts";
import { freshKey } from "../support/client.ts";
import { createRandom, type Random } from "../support/random.ts";
import { fill, topics } from "./support/nodes.ts";

type Member = {
  readonly client: Awaited<ReturnType<Agent["connect"]>>;
  /** The values that it must have. */
  readonly expected: number[];
  /** How many of them it has taken. */
  taken: number;
};

/** Subscribers on the channel and its relays. */
class World {
  readonly agent = createAgent();
  readonly key = freshKey();
  readonly path: string;
  readonly topic: string;
  readonly random: Random;
  readonly members: Member[] = [];
  #nodes!: Awaited<ReturnType<typeof fill>>;
  #last = 0;

  constructor(topicOf: (key: string) => readonly [string, string], seed: string) {
    [this.path, this.topic] = topicOf(this.key);
    this.random = createRandom(seed);
  }

  async begin(): Promise<void> {
    this.#nodes = await fill(this.agent, this.path, this.topic);
    for (const client of this.#nodes.clients) this.members.push({ client, expected: [], taken: 0 });
  }

  async sleep(who: "all" | "one"): Promise<void> {
    if (who === "all") return evictAllDurableObjects();
    await evictDurableObject(this.#nodes.node(this.random.pick(this.#nodes.all))).catch(() => {
      // It sleeps already.
    });
  }

  readonly steps = {
    join: async () => {
      const plain = this.random.chance(0.3);
      const client = await this.agent.connect(this.path, { plain });
      if (!plain) await client.takeUntilReady();
      this.members.push({ client, expected: [], taken: 0 });
    },
    publish: async () => {
      await this.agent.set(this.key, this.#next());
    },
    /** The channel reads what was never announced, and its relays hear of it only by `forward`. */
    forward: async () => {
      await this.agent.writeUnannounced(setOperation(this.key, this.#next()));
      await this.#nodes.node().repair({ namespace: this.agent.namespace, key: this.topic });
    },
    /** Once more, too late: the head, or a leaf that is told of a gap that it does not have. */
    late: async () => {
      const relay = this.#nodes.node(this.random.pick(this.#nodes.all.slice(1)));
      await relay.forward({ after: 0, upTo: 1, changes: [], token: "an earlier one" });
    },
    leave: async () => {
      const [member] = this.members.splice(this.random.integer(0, this.members.length - 1), 1);
      const { client } = member as Member;
      client.socket.close(1000);
      await client.closed;
    },
  };

  /** Every subscriber got each value once and in order. */
  async check(): Promise<void> {
    await this.steps.publish();
    for (const member of this.members) {
      const { client, expected } = member;
      const events = await client.take(expected.length - member.taken);
      member.taken = expected.length;
      expect(events.map(({ value }) => value)).toEqual(expected.slice(-events.length));
    }
    await this.agent.settled();
  }

  #next(): number {
    const value = ++this.#last;
    for (const { expected } of this.members) expected.push(value);
    return value;
  }
}

const STEPS = ["join", "publish", "forward", "late", "leave"] as const;

describe.each(topics)("the channel of %s with relays", (name, topicOf) => {
  it.each(["all", "one"] as const)(
    "loses and doubles nothing if between any two steps %s of its objects lose their memory",
    async (who) => {
      const world = new World(topicOf, `${name} ${who}`);
      await world.begin();
      for (const first of STEPS) {
        for (const second of STEPS) {
          for (const step of [first, second]) {
            await world.sleep(who);
            await world.steps[step]();
          }
          await world.sleep(who);
          await world.check();
        }
      }
    },
  );
});
