// Starts all contestants of a round together, so that they run under the same conditions of the machine.

import type { Contestant } from "./contestants/contestant.ts";
import { startEtcd } from "./contestants/etcd.ts";
import { startFloor } from "./contestants/floor.ts";
import { startMemx } from "./contestants/memx.ts";
import { startBridgedRedis } from "./contestants/redis.ts";
import { type ContestantName, prepare } from "./operations.ts";

/** Starts these contestants with new data. While the bench measures one, the others are idle. */
export async function startAll(names: ReadonlySet<ContestantName>) {
  const contestants = new Map<ContestantName, Contestant>();
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of stops.toReversed()) await end();
  };
  const add = (name: ContestantName, contestant: Contestant) => {
    contestants.set(name, contestant);
    stops.push(contestant.stop);
  };
  try {
    if (names.has("memX embedded")) add("memX embedded", await startMemx());
    if (names.has("memX on Redis") || names.has("floor")) {
      const redis = await startBridgedRedis();
      stops.push(redis.stop);
      if (names.has("memX on Redis")) add("memX on Redis", await startMemx({ redis }));
      if (names.has("floor")) add("floor", await startFloor(redis));
    }
    if (names.has("etcd")) add("etcd", await startEtcd());
    for (const [name, { port, headers }] of contestants) await prepare(name, port, headers);
    return { contestants, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
