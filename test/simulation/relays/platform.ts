// Durable Objects as a channel knows them, in virtual time: storage, alarms, sockets that outlive the memory, hibernation, and
// crashes. It runs the real class of the channel. Nothing that a dead object still does has an effect.

import type { Channel } from "../../../durable-objects/channel/channel.ts";
import type { Random } from "../../support/random.ts";
import type { Clock } from "./clock.ts";
import { type Network, retryable } from "./network.ts";
import { type Connection, SimulatedSocket } from "./socket.ts";
import type { StoreObject } from "./store.ts";

export type ChannelClass = new (ctx: DurableObjectState, env: Env) => Channel;

export type Platform = {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly store: StoreObject;
  readonly settings: Readonly<Record<string, string>>;
  readonly channel: ChannelClass;
  readonly nodes: Map<string, ObjectNode>;
};

const METHODS = ["publish", "forward", "relayWatch", "relayUnwatch"] as const;
const STORE_METHODS = [
  "watch",
  "unwatch",
  "readLog",
  "scanLog",
  "readChanges",
  "readNames",
  "readEntries",
] as const satisfies (keyof StoreObject)[];

/** Milliseconds in which a write that nobody waits for may be lost in a crash. */
const UNCONFIRMED_MS = 1_000;

/** Milliseconds for which an object at least stays awake: longer than it waits for the witnesses of its cursor. */
const MIN_AWAKE_MS = 1_100;

/** Milliseconds until an alarm whose handler failed rings again. */
const ALARM_RETRY_MS = 2_000;

/** Milliseconds after which the platform notices that a client is not there to take its end. */
const UNTAKEN_MS = 1_000;

/** The environment of a caller: a Worker, or an object for as long as it lives. */
export function environment(platform: Platform, from: string, life?: Life): Env {
  const { clock, network, nodes, store, settings } = platform;
  const call = <T>(to: string, serve: () => Promise<T>): Promise<T> => {
    if (life?.isDead) return new Promise(() => {});
    const called = network.call(from, to, serve);
    return life ? life.during(called) : called;
  };
  const getByName = (name: string) => {
    const node = () => nodes.get(name) ?? new ObjectNode(platform, name);
    const methods = METHODS.map((method) => [
      method,
      (...args: unknown[]) => {
        network.onCall(name, method, args);
        // Copies, as over RPC.
        const sent = structuredClone(args);
        return call(name, async () => structuredClone(await node().handle((object) => invoke(object, method, sent))));
      },
    ]);
    return {
      ...Object.fromEntries(methods),
      async fetch(url: string, init: RequestInit) {
        let connection: Connection | undefined;
        const joining = call(name, async () => {
          const response = await node().handle((object) => object.fetch(new Request(url, init)));
          connection = (response.webSocket as unknown as SimulatedSocket | null)?.connection;
          return response;
        });
        const freeLater = () =>
          clock.after(UNTAKEN_MS, () => {
            if (!connection?.isTaken) connection?.leave(false);
          });
        try {
          const response = await joining;
          if (connection) connection.isDelivered = true;
          freeLater();
          return response;
        } catch (cause) {
          // Or the client's end stays where it is, until the object frees it.
          if (platform.random.chance(0.5)) freeLater();
          throw cause;
        }
      },
    };
  };
  const objects = STORE_METHODS.map((method) => [
    method,
    (...args: unknown[]) => call("store", async () => structuredClone(invoke(store, method, args))),
  ]);
  return {
    ...settings,
    RATE_LIMITER: {},
    CHANNEL: { getByName },
    EMBEDDED_STORE: { idFromName: (name: string) => name, get: () => Object.fromEntries(objects) },
  } as unknown as Env;
}

function invoke(object: object, method: string, args: readonly unknown[]): unknown {
  return (object as Record<string, (...args: unknown[]) => unknown>)[method]?.(...args);
}

/** An object in memory, from its constructor until it sleeps or crashes. */
class Life {
  readonly bornMs: number;
  isDead = false;
  /** Events, calls and other work under way. */
  #busy = 0;
  readonly #died = Promise.withResolvers<never>();
  readonly sockets = new Map<Connection, SimulatedSocket>();
  object!: Channel;

  constructor(bornMs: number) {
    this.bornMs = bornMs;
    this.#died.promise.catch(() => {
      // Without an event under way, nobody hears of it.
    });
  }

  get isIdle(): boolean {
    return this.#busy === 0;
  }

  /** Until the work is done, the object cannot sleep. Never settles if the object dies. */
  during<T>(work: Promise<T>): Promise<T> {
    this.#busy++;
    return new Promise((resolve, reject) => {
      work.then(
        (result) => {
          this.#busy--;
          if (!this.isDead) resolve(result);
        },
        (cause) => {
          this.#busy--;
          if (!this.isDead) reject(cause);
        },
      );
    });
  }

  /** Runs an event. Rejects as soon as the object crashes. */
  async run<T>(event: (object: Channel) => Promise<T> | T): Promise<T> {
    this.#busy++;
    try {
      return await Promise.race([event(this.object), this.#died.promise]);
    } finally {
      this.#busy--;
    }
  }

  end(): void {
    this.isDead = true;
    this.#died.reject(retryable("simulated: the object crashed"));
  }
}

function adopt(life: Life, socket: SimulatedSocket): void {
  socket.isAlive = () => !life.isDead;
  life.sockets.set(socket.connection, socket);
}

export class ObjectNode {
  readonly name: string;
  readonly #platform: Platform;
  readonly #stored = new Map<string, string>();
  /** What writes that nobody waits for have replaced, and when. */
  readonly #unconfirmed = new Map<string, { readonly before: string | undefined; readonly atMs: number }>();
  readonly #connections = new Set<Connection>();
  #alarmMs: number | null = null;
  #life: Life | undefined;

  constructor(platform: Platform, name: string) {
    this.#platform = platform;
    this.name = name;
    platform.nodes.set(name, this);
  }

  /** Delivers an event, and wakes the object for it. */
  handle<T>(event: (object: Channel) => Promise<T> | T): Promise<T> {
    return this.#wake().run(event);
  }

  get isAwake(): boolean {
    return this.#life !== undefined;
  }

  /** Stored under a name, as the object sees it. */
  stored(key: string): unknown {
    const text = this.#stored.get(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Loses its memory, if nothing is under way. */
  hibernate(): boolean {
    const { nowMs } = this.#platform.clock;
    if (!this.#life?.isIdle || nowMs - this.#life.bornMs < MIN_AWAKE_MS) return false;
    this.#life.isDead = true;
    this.#life = undefined;
    return true;
  }

  /** Loses its memory, its sockets, and perhaps the last writes that nobody waited for. */
  crash(): void {
    const { clock, random } = this.#platform;
    for (const connection of this.#connections) connection.cut();
    this.#connections.clear();
    for (const [key, { before, atMs }] of this.#unconfirmed) {
      if (clock.nowMs - atMs > UNCONFIRMED_MS || random.chance(0.5)) continue;
      if (before === undefined) this.#stored.delete(key);
      else this.#stored.set(key, before);
    }
    this.#unconfirmed.clear();
    const life = this.#life;
    this.#life = undefined;
    life?.end();
  }

  #wake(): Life {
    if (this.#life) return this.#life;
    const life = new Life(this.#platform.clock.nowMs);
    this.#life = life;
    life.object = new this.#platform.channel(this.#context(life), environment(this.#platform, this.name, life));
    return life;
  }

  #closed(connection: Connection, isError: boolean): void {
    if (!this.#connections.has(connection)) return;
    // A socket that leaves while the object sleeps is no longer listed, or still is.
    const isListed = this.isAwake || this.#platform.random.chance(0.5);
    if (!isListed) this.#connections.delete(connection);
    const life = this.#wake();
    const socket = this.#socket(life, connection) as unknown as WebSocket;
    const event = (object: Channel) =>
      isError ? object.webSocketError(socket) : object.webSocketClose(socket, 1000, "");
    const handled = life.run(event).then(() => {
      connection.state = WebSocket.CLOSED;
      if (!life.isDead) this.#connections.delete(connection);
    });
    handled.catch(() => {
      // It crashed, with all its sockets.
    });
  }

  #socket(life: Life, connection: Connection): SimulatedSocket {
    let socket = life.sockets.get(connection);
    if (!socket) {
      socket = new SimulatedSocket(connection, { isServer: true });
      adopt(life, socket);
    }
    return socket;
  }

  #armAlarm(atMs: number | null): void {
    this.#alarmMs = atMs;
    if (atMs === null) return;
    const { clock } = this.#platform;
    clock.after(atMs - Date.now(), () => {
      if (this.#alarmMs !== atMs) return;
      this.#alarmMs = null;
      this.handle((object) => object.alarm()).catch(() => {
        if (this.#alarmMs === null) this.#armAlarm(Date.now() + ALARM_RETRY_MS);
      });
    });
  }

  #context(life: Life): DurableObjectState {
    const { clock } = this.#platform;
    const stored = this.#stored;
    const put = (key: string, value: unknown) => {
      if (life.isDead) return;
      this.#unconfirmed.delete(key);
      stored.set(key, JSON.stringify(value));
    };
    const remove = (key: string) => {
      if (life.isDead) return false;
      this.#unconfirmed.delete(key);
      return stored.delete(key);
    };
    const storage = {
      kv: { get: (key: string) => this.stored(key), put, delete: remove },
      put: async (key: string, value: unknown, options?: { allowUnconfirmed?: boolean }) => {
        const before = this.#unconfirmed.get(key)?.before ?? stored.get(key);
        put(key, value);
        if (options?.allowUnconfirmed && !life.isDead) this.#unconfirmed.set(key, { before, atMs: clock.nowMs });
      },
      delete: async (key: string) => remove(key),
      getAlarm: async () => this.#alarmMs,
      setAlarm: async (atMs: number) => {
        if (!life.isDead) this.#armAlarm(atMs);
      },
      // With the alarm.
      deleteAll: async () => {
        if (life.isDead) return;
        stored.clear();
        this.#unconfirmed.clear();
        this.#armAlarm(null);
      },
    };
    return {
      id: { toString: () => this.name, name: this.name },
      storage,
      waitUntil: (work: Promise<unknown>) => {
        life.during(work).catch(() => {
          // The platform only logs it.
        });
      },
      acceptWebSocket: (socket: SimulatedSocket, tags: string[]) => {
        if (life.isDead) return;
        const { connection } = socket;
        adopt(life, socket);
        connection.tags = tags;
        connection.owner = { closed: (...args) => this.#closed(...args) };
        this.#connections.add(connection);
      },
      getWebSockets: (tag?: string) =>
        [...this.#connections]
          .filter(({ tags }) => tag === undefined || tags.includes(tag))
          .map((connection) => this.#socket(life, connection)),
      getTags: ({ connection }: SimulatedSocket) => connection.tags,
      setWebSocketAutoResponse: () => {},
      getWebSocketAutoResponseTimestamp: ({ connection }: SimulatedSocket) =>
        connection.isClientThere ? new Date(Date.now()) : null,
    } as unknown as DurableObjectState;
  }
}
