// A subscriber that connects through the real code of the Worker, comes back after each end, and records what it receives.

import { joinChannel } from "../../../memory/channels/join.ts";
import type { Topic } from "../../../memory/channels/topic.ts";
import { SUBPROTOCOL } from "../../../sdk/protocol.ts";
import type { Random } from "../../support/random.ts";
import type { Received, Connection as Recorded } from "../truth.ts";
import { environment, type Platform } from "./platform.ts";
import type { Connection, SimulatedSocket } from "./socket.ts";

export type Moments = { readonly now: () => number; readonly writesBegun: () => number };

type Options = {
  readonly platform: Platform;
  readonly random: Random;
  readonly moments: Moments;
  readonly topic: Topic;
  readonly keyHash: string;
  readonly region: string;
  /** Whether it is a memX client that begins with live changes. Otherwise chance decides. */
  readonly live: boolean;
};

export class Client {
  readonly name: string;
  /** Whether it gets `ready` and `reset`. */
  readonly control: boolean;
  readonly connections: Recorded[] = [];
  /** When each revision came, in the clock's milliseconds. */
  readonly arrivals = new Map<number, number>();
  readonly #options: Options;
  readonly #env: Env;
  #since: number | undefined;
  #inSnapshot = false;
  #isGone = false;
  #socket: Connection | undefined;
  /** When the connection was ready, or of a plain subscriber open. */
  #liveSinceMs: number | undefined;
  #attempts = 0;

  constructor(name: string, options: Options) {
    const { platform, random, region, live } = options;
    this.name = name;
    this.#options = options;
    this.control = live || random.chance(0.8);
    if (this.control && !live && random.chance(0.3)) this.#since = 0;
    this.#env = { ...environment(platform, `worker ${region}`), REGION: region };
    void this.#connect();
  }

  get isConnected(): boolean {
    return this.#liveSinceMs !== undefined;
  }

  /** When it began to receive live changes; `undefined` if it does not. */
  get liveSinceMs(): number | undefined {
    return this.#liveSinceMs;
  }

  /** Closes its socket, and comes back. */
  reconnect(): void {
    this.#socket?.leave(this.#options.random.chance(0.3));
  }

  /** Closes its socket, and stays away. */
  leave(): void {
    this.#isGone = true;
    this.#socket?.leave(false);
  }

  async #connect(): Promise<void> {
    const { platform, random, moments, topic, keyHash } = this.#options;
    const attempt = ++this.#attempts;
    const since = this.#since;
    const recorded: Recorded = {
      since,
      control: this.control,
      begun: moments.now(),
      open: 0,
      messages: [],
      ended: false,
    };
    this.#inSnapshot = since === 0;
    const watches = topic.key === "";
    try {
      const response = await joinChannel(this.#env, {
        ...topic,
        keyHash,
        event: "all",
        patterns: watches ? ["*"] : [],
        scopes: watches ? ["*"] : [],
        ...(since !== undefined && { since }),
        maxUnreadChars: 8 * 1024 * 1024,
        control: this.control,
        ...(this.control && { subprotocol: SUBPROTOCOL }),
      });
      const { connection } = response.webSocket as unknown as SimulatedSocket;
      if (this.#isGone) return;
      recorded.open = moments.now();
      this.connections.push(recorded);
      this.#socket = connection;
      if (!this.control) this.#liveSinceMs = platform.clock.nowMs;
      connection.listen({
        onMessage: (text) => {
          if (attempt !== this.#attempts || this.#isGone) return;
          const received = JSON.parse(text) as Received;
          recorded.messages.push({ received, writesBegun: moments.writesBegun() });
          this.#take(received);
        },
        onClose: () => {
          if (attempt !== this.#attempts || recorded.ended) return;
          recorded.ended = true;
          this.#socket = undefined;
          this.#liveSinceMs = undefined;
          platform.network.count("reconnects");
          if (!this.#isGone) platform.clock.after(random.number(5, 300), () => void this.#connect());
        },
      });
    } catch {
      if (!this.#isGone) platform.clock.after(random.number(200, 700), () => void this.#connect());
    }
  }

  #take({ event, revision = 0 }: Received): void {
    const { platform } = this.#options;
    if (event === "reset") {
      this.#inSnapshot = true;
      platform.network.count("resets");
    } else if (event === "ready") {
      this.#inSnapshot = false;
      this.#liveSinceMs ??= platform.clock.nowMs;
    } else {
      platform.network.count("events");
      if (!this.arrivals.has(revision)) this.arrivals.set(revision, platform.clock.nowMs);
    }
    if (this.control && !this.#inSnapshot) this.#since = Math.max(this.#since ?? 0, revision);
  }
}
