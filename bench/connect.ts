// Measures gets and durable sets over memX's socket of calls, beside memX over HTTP and the stores that teams take instead.
// In each round every contestant starts anew and is measured once, next to those it is compared with, in an order that
// rotates.

import { runCallSocket } from "./call-socket.ts";
import type { Contestant, KeyValue } from "./contestants/contestant.ts";
import { startNats } from "./contestants/nats.ts";
import { startRedisClient } from "./contestants/redis.ts";
import { addRound, type Cost, emptyCost } from "./cost.ts";
import { type Measured, measureWork, type Period, runLoad, type Tally } from "./load.ts";
import { type ContestantName, get, includes, names, put, range, rotating, set, updated, value } from "./operations.ts";
import { startAll } from "./start-all.ts";

export type Way = "socket" | "HTTP" | "client";
type Store =
  | "memX embedded"
  | "memX on Redis"
  | "etcd"
  | "NATS KV"
  | "NATS KV, sync each"
  | "Redis"
  | "Redis, sync each";

export type Place = {
  readonly operation: "get" | "set";
  readonly contestant: Store;
  /** `client`: the store's own, in JavaScript. */
  readonly way: Way;
  readonly connections: number;
  /** Calls in flight on each connection. */
  readonly inFlight: number;
};

/** One row of the table, with a number for each round. */
export type CallRates = Place & Cost;

export type ConnectOptions = Omit<Period, "onStart"> & {
  readonly rounds: number;
  readonly etcd: boolean;
  readonly nats: boolean;
};

/** Connections, and calls in flight on each. HTTP takes a connection for each call in flight. */
const SHAPES = [
  [1, 1],
  [16, 1],
  [1, 64],
  [16, 16],
] as const;

/** Compared with the first two at the shape of the same name. */
const OTHERS: Readonly<Record<string, readonly (readonly [Store, Way])[]>> = {
  "1 × 1": [
    ["NATS KV, sync each", "client"],
    ["NATS KV", "client"],
  ],
  "1 × 64": [
    ["etcd", "HTTP"],
    ["NATS KV, sync each", "client"],
    ["NATS KV", "client"],
    ["Redis, sync each", "client"],
    ["Redis", "client"],
  ],
};

export function places({ etcd, nats }: { etcd: boolean; nats: boolean }): Place[] {
  return (["get", "set"] as const).flatMap((operation) =>
    SHAPES.flatMap(([connections, inFlight]) => {
      const all: (readonly [Store, Way])[] = [
        ["memX embedded", "socket"],
        ["memX embedded", "HTTP"],
        ...(OTHERS[`${connections} × ${inFlight}`] ?? []),
        ["memX on Redis", "socket"],
        ["memX on Redis", "HTTP"],
      ];
      return all
        .filter(([store]) => (etcd || store !== "etcd") && (nats || !store.startsWith("NATS")))
        .map(([contestant, way]) =>
          way === "HTTP"
            ? { operation, contestant, way, connections: connections * inFlight, inFlight: 1 }
            : { operation, contestant, way, connections, inFlight },
        );
    }),
  );
}

export async function measureConnect(
  { rounds, seconds, warmUpSeconds, etcd, nats }: ConnectOptions,
  say: (line: string) => void,
): Promise<CallRates[]> {
  const results = places({ etcd, nats }).map((place) => ({ ...place, ...emptyCost() }));
  for (let round = 0; round < rounds; round++) {
    const { run, stop } = await startStores({ etcd, nats });
    try {
      const shift = Math.floor((results.length * round) / rounds);
      for (const rates of [...results.slice(shift), ...results.slice(0, shift)]) {
        await run(rates, { seconds, warmUpSeconds });
      }
    } finally {
      await stop();
    }
    say(`round ${round + 1} of ${rounds}: ${results.map(inShort).join(", ")}`);
  }
  return results;
}

function inShort({ operation, contestant, way, connections, inFlight, perSecond }: CallRates): string {
  return `${operation} ${contestant} ${way} ${connections} × ${inFlight} ${Math.round(perSecond.at(-1) ?? 0)}`;
}

/** Starts all stores with new data. While the bench measures one, the others are idle. */
async function startStores({ etcd, nats }: { etcd: boolean; nats: boolean }) {
  const served = new Set<ContestantName>(["memX embedded", "memX on Redis"]);
  if (etcd) served.add("etcd");
  const all = await startAll(served);
  const clients = new Map<string, KeyValue>();
  const stop = async () => {
    for (const client of clients.values()) await client.stop();
    await all.stop();
  };
  const add = (client: KeyValue) => clients.set(client.name, client);
  try {
    add(await startRedisClient("everysec"));
    add(await startRedisClient("always"));
    if (nats) add(await startNats({ sync: false }));
    if (nats) add(await startNats({ sync: true }));
    for (const client of clients.values()) await Promise.all(names.map((key) => client.set(key, TEXT)));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    stop,
    async run(rates: CallRates, period: Period): Promise<void> {
      const { contestant, operation } = rates;
      const client = clients.get(contestant);
      const server = all.contestants.get(contestant as ContestantName);
      const running = client ?? server;
      if (!running) throw new Error(`${contestant} was not started`);
      await addRound(rates, running.pids, (onStart) => {
        const whole = { ...period, onStart };
        return client
          ? measureWork(whole, (tally) => runClient(rates, client, tally))
          : measureServer(rates, server as Contestant, whole);
      }).catch((error) => {
        throw new Error(`${operation} on ${contestant}: ${error.message}\n${running.output()}`);
      });
    },
  };
}

const TEXT = JSON.stringify(value(1));

const REQUESTS = {
  memX: {
    get: { of: get, check: includes('"agent":"researcher"') },
    set: { of: set, check: updated },
  },
  etcd: {
    get: { of: range, check: includes('"count":"1"') },
    set: { of: put, check: includes('"revision"') },
  },
} as const;

function measureServer(
  { operation, contestant, way, connections, inFlight }: Place,
  { port, headers }: Contestant,
  period: Period,
): Promise<Measured> {
  if (way === "socket") {
    const calls = names.map((key) => ({
      call: operation,
      body: operation === "get" ? { key } : { key, value: value(1) },
    }));
    const answer = operation === "get" ? '"agent":"researcher"' : '"ok":true,"updated":true';
    const load = { port, headers, inFlight, calls, answer };
    return measureWork(period, (tally) =>
      Promise.all(Array.from({ length: connections }, () => runCallSocket(load, tally))),
    );
  }
  const requests = REQUESTS[contestant === "etcd" ? "etcd" : "memX"][operation];
  const call = rotating(
    names.map((key) => requests.of(key, headers)),
    requests.check,
  );
  return runLoad({ ...period, ...call, port, connections });
}

/** Calls that each follow their predecessor, as many at once as may be in flight. */
function runClient({ operation, inFlight }: Place, client: KeyValue, tally: Tally): Promise<unknown> {
  let turn = 0;
  return Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (!tally.stopping) {
        const key = names[turn++ % names.length] as string;
        const start = performance.now();
        await (operation === "get" ? client.get(key) : client.set(key, TEXT));
        tally.done(start);
      }
    }),
  );
}
