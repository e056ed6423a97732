// Measures how many operations a contestant completes in a second. In each round every contestant starts anew and is
// measured once at every operation, next to the contestants it is compared with, in an order that rotates.

import type { Contestant } from "./contestants/contestant.ts";
import { addRound, type Cost, emptyCost } from "./cost.ts";
import { runLoad } from "./load.ts";
import { type ContestantName, OPERATIONS } from "./operations.ts";
import { startAll } from "./start-all.ts";
import { median } from "./statistics.ts";

/** One row of an operation's table. */
export type Rates = Cost & { readonly operation: string; readonly contestant: string };

export type ThroughputOptions = {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly connections: number;
  readonly only: ReadonlySet<string> | undefined;
  readonly etcd: boolean;
};

/** Compared with each other, and therefore measured one after the other. */
const NEIGHBOURS = [
  ["memX embedded", ["set", "get", "set-schema"]],
  ["floor", ["call"]],
  ["etcd", ["set", "get"]],
  ["memX on Redis", ["set", "get", "set-schema"]],
  ["floor", ["evalsha"]],
] as const;

export async function measureThroughput(
  { rounds, seconds, warmUpSeconds, connections, only, etcd }: ThroughputOptions,
  say: (line: string) => void,
): Promise<Rates[]> {
  const all = places().filter(
    ({ operation, contestant }) => (only?.has(operation) ?? true) && (etcd || contestant !== "etcd"),
  );
  const results = new Map<string, Rates>();
  for (let round = 0; round < rounds; round++) {
    const { contestants, stop } = await startAll(new Set(all.map(({ contestant }) => contestant)));
    try {
      const shift = Math.floor((all.length * round) / rounds);
      for (const { operation, contestant } of [...all.slice(shift), ...all.slice(0, shift)]) {
        const { port, headers, pids, output } = contestants.get(contestant) as Contestant;
        const call = OPERATIONS.find(({ name }) => name === operation)?.on[contestant]?.(headers);
        if (call === undefined) throw new Error(`${contestant} has no ${operation}`);
        const key = `${operation} ${contestant}`;
        const rates = results.get(key) ?? { operation, contestant, ...emptyCost() };
        results.set(key, rates);
        await addRound(rates, pids, (onStart) =>
          runLoad({ ...call, port, connections, seconds, warmUpSeconds, onStart }),
        ).catch((error) => {
          throw new Error(`${operation} on ${contestant}: ${error.message}\n${output()}`);
        });
      }
    } finally {
      await stop();
    }
    say(`round ${round + 1} of ${rounds}: ${[...results.values()].map(inShort).join(", ")}`);
  }
  return [...results.values()];
}

function inShort({ operation, contestant, perSecond }: Rates): string {
  return `${operation} ${contestant} ${Math.round(median(perSecond.slice(-1)))}`;
}

function places(): { operation: string; contestant: ContestantName }[] {
  const first = NEIGHBOURS.flatMap(([contestant, names]) => names.map((operation) => ({ operation, contestant })));
  const rest = OPERATIONS.flatMap(({ name, on }) =>
    (Object.keys(on) as ContestantName[]).map((contestant) => ({ operation: name, contestant })),
  ).filter(
    ({ operation, contestant }) =>
      !first.some((place) => place.operation === operation && place.contestant === contestant),
  );
  return [...first, ...rest];
}
