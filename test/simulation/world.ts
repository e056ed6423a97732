// One simulated namespace: the real Worker with an API key of its own, whose calls to channels pass through the faults,
// and the clock and records that the actors share.

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { nodeName, type Topic } from "../../memory/channels/topic.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import { app } from "../../worker/app.ts";
import type { Random } from "../support/random.ts";
import { type FaultPlan, faultyChannels, plans } from "./faults.ts";
import type { WrittenChange } from "./truth.ts";

export type Counts = Record<string, number>;

/** The channel of a topic, and then its relays, parents first: those that these simulations can reach, if they have any. */
export function nodeNames(topic: Topic): string[] {
  const region = env.REGION;
  const relays = region ? Array.from({ length: 9 }, (_, index) => nodeName(topic, { region, index })) : [];
  return [nodeName(topic, undefined), ...relays];
}

export class World {
  readonly namespace: string;
  readonly apiKey: string;
  readonly keys: readonly string[];
  readonly written: WrittenChange[] = [];
  readonly counts: Counts = {};
  readonly env: Env;
  /** Whether writers call over sockets of calls, or by HTTP. */
  readonly overSocket: boolean;
  writesBegun = 0;
  #moments = 0;
  readonly #announcements = new Set<Promise<void>>();
  readonly #quiet = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  isQuiet = false;
  isOver = false;

  constructor({ namespace, apiKey, random }: { namespace: string; apiKey: string; random: Random }) {
    this.namespace = namespace;
    this.apiKey = apiKey;
    this.keys = ["a", "a:b", "b", "c d/é", "*"].slice(0, random.integer(3, 5));
    this.overSocket = random.fork("calls").chance(0.5);
    const plan: FaultPlan = { random: random.fork("announcements"), isQuiet: () => this.isQuiet, count: this.count };
    plans.set(namespace, { ...plan, random: random.fork("relays") });
    this.env = { ...env, CHANNEL: faultyChannels(env.CHANNEL, plan) };
  }

  /** Returns the next moment. */
  now(): number {
    return ++this.#moments;
  }

  readonly count = (what: string, times = 1): void => {
    this.counts[what] = (this.counts[what] ?? 0) + times;
  };

  /** Calls the Worker. `announced` waits for the work after a write: a request with a `method`, or a socket of calls. */
  async fetch(path: string, { headers, ...init }: RequestInit = {}): Promise<Response> {
    const context = createExecutionContext();
    const all = { "x-api-key": this.apiKey, ...Object.fromEntries(new Headers(headers)) };
    const response = await app.fetch(new Request(`http://memx${path}`, { ...init, headers: all }), this.env, context);
    if (init.method || path === "/connect") this.#follow(waitOnExecutionContext(context));
    return response;
  }

  #follow(work: Promise<void>): void {
    const followed = work
      .catch(() => {
        // The Worker handles its own errors, and the channel repairs a failed announcement.
      })
      .finally(() => this.#announcements.delete(followed));
    this.#announcements.add(followed);
  }

  /** Resolves when every announcement begun so far has ended. */
  async announced(): Promise<void> {
    await Promise.all(this.#announcements);
  }

  /** Waits, but no longer than until the quiet phase. */
  pause(ms: number): Promise<void> {
    return this.isQuiet ? Promise.resolve() : Promise.race([scheduler.wait(ms), this.#quiet.promise]);
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  beginQuiet(): void {
    this.isQuiet = true;
    this.#quiet.resolve();
  }

  end(): void {
    this.isOver = true;
    this.#over.resolve();
  }

  get channelNames(): string[] {
    const { namespace } = this;
    return [ALL_KEYS, ...this.keys].flatMap((key) => nodeNames({ namespace, key }));
  }
}
