// A subscriber that connects, stays for a while, disconnects or is disconnected, and resumes. It records every message
// for the oracle; for itself it keeps only the revision to resume from.

import { SUBPROTOCOL } from "../../sdk/protocol.ts";
import type { Random } from "../support/random.ts";
import { type Open, openEventStream, openLongPoll, openWebSocket } from "./subscriber-kinds.ts";
import type { Connection, Filter, Received } from "./truth.ts";
import type { World } from "./world.ts";

/** A glob that matches exactly this key of world.ts. The key "*" must be written as a class. */
const globOf = (key: string) => key.replace("*", "[*]");

export class Simulated {
  readonly connections: Connection[] = [];
  /** Faults that the subscriber itself notices. */
  readonly faults: string[] = [];
  readonly filter: Filter;
  /** For the report of a fault. */
  readonly name: string;
  /** The key of its channel; `undefined` at the channel of the namespace. */
  readonly key: string | undefined;
  readonly #world: World;
  readonly #random: Random;
  readonly #open: Open;
  readonly control: boolean;
  readonly isPoll: boolean;
  readonly #isStream: boolean;
  readonly #isSteady: boolean;
  readonly #path: string;
  #since: number | undefined;
  #inSnapshot = false;
  #newest = 0;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
    const kind = random.pick(["memx.v1", "memx.v1", "memx.v1", "plain", "sse", "poll"]);
    this.control = kind !== "plain";
    this.isPoll = kind === "poll";
    this.#isStream = kind === "sse";
    this.#isSteady = random.chance(0.4);
    this.#open = {
      "memx.v1": openWebSocket(SUBPROTOCOL),
      plain: openWebSocket(),
      sse: openEventStream,
      poll: openLongPoll,
    }[kind] as Open;
    const event = random.pick(["value", "schema", "all", "all"] as const);
    const watches = this.isPoll || random.chance(0.5);
    const keys = watches ? world.keys.filter(() => random.chance(0.6)) : [random.pick(world.keys)];
    const all = watches && (keys.length === 0 || random.chance(0.4));
    this.filter = { event, keys: all ? world.keys : keys };
    this.key = watches ? undefined : keys[0];
    const patterns = all ? ["*"] : keys.map(globOf);
    const call = this.isPoll ? "changes" : "watch";
    this.#path = watches
      ? `/${call}?${patterns.map((glob) => `pattern=${encodeURIComponent(glob)}`).join("&")}&event=${event}`
      : `/subscribe/${encodeURIComponent(keys[0] as string)}?event=${event}`;
    this.name = `${kind} ${this.#path}`;
    if (this.isPoll || (this.control && random.chance(0.5))) this.#since = 0;
  }

  /** Runs until the simulation is over. */
  async live(): Promise<void> {
    const [world, random] = [this.#world, this.#random];
    if (random.chance(0.5)) await world.pause(random.number(0, 300));
    while (!world.isOver) {
      const connection = await this.#connect();
      if (!connection) {
        await scheduler.wait(5);
        continue;
      }
      const { end, ended } = connection;
      if (!this.isPoll) {
        // A steady subscriber stays until the quiet phase.
        await Promise.race([ended, world.pause(this.#isSteady ? 100_000 : random.number(0, 150))]);
        if (world.isQuiet) await Promise.race([ended, world.over]);
        if (world.isOver) return;
        end();
      }
      world.count("disconnects", this.isPoll ? 0 : 1);
      const awayMs = random.pick(this.isPoll ? [20, 100] : [0, 5, 20, 200]);
      if (world.isQuiet) await scheduler.wait(this.isPoll ? 40 : 1);
      else await world.pause(random.number(0, awayMs));
    }
  }

  /** Whether it has received all changes up to this revision. A plain subscriber cannot know. */
  hasAll(revision: number): boolean {
    return !this.#inSnapshot && (this.#since ?? 0) >= revision;
  }

  async #connect(): Promise<{ ended: Promise<void>; end: () => void } | undefined> {
    const world = this.#world;
    const since = this.#since;
    const connection: Connection = {
      since,
      control: this.control,
      begun: world.now(),
      open: 0,
      messages: [],
      ended: false,
    };
    this.#inSnapshot = since === 0;
    const ended = Promise.withResolvers<void>();
    const end = await this.#open(
      world,
      { path: this.#path, since },
      {
        onOpen: () => {
          connection.open = world.now();
          this.connections.push(connection);
          world.count("connections");
        },
        onMessage: (received, id) => {
          // A client that has disconnected hears nothing, and a simulation that is over has been judged.
          if (connection.ended || world.isOver) return;
          connection.messages.push({ received, writesBegun: world.writesBegun });
          this.#take(received, id);
        },
        onEnd: () => {
          if (!world.isOver) connection.ended = true;
          ended.resolve();
        },
      },
    ).catch((cause) => {
      if (!String(cause).includes("simulated")) throw cause;
      return undefined;
    });
    return end && { end, ended: ended.promise };
  }

  #take(received: Received, id: number | undefined): void {
    const { event, revision = 0 } = received;
    this.#world.count(event === "ready" || event === "reset" ? event : "events");
    this.#newest = Math.max(this.#newest, revision);
    if (event === "reset") this.#inSnapshot = true;
    if (event === "ready") this.#inSnapshot = false;
    const isSafe = this.control && !this.#inSnapshot;
    if (this.#isStream && id !== (isSafe ? revision : undefined))
      this.faults.push(`${event} ${revision} has the id ${id}`);
    // Within a snapshot, an event does not mean that everything before it has arrived.
    if (isSafe && (!this.isPoll || event === "ready")) this.#since = revision;
  }
}
