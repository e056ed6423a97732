// The load: work that is in flight all the time, for as long as a measurement takes. Over HTTP it is connections that each
// send the next request when the response to the last one arrives. A wrong response ends the run.

import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import { quantile } from "./statistics.ts";

export type Period = {
  readonly seconds: number;
  /** Before the measurement begins, because a runtime compiles code that runs often. */
  readonly warmUpSeconds: number;
  /** Called when the measurement begins. */
  readonly onStart?: () => void;
};

export type Load = Period & {
  readonly port: number;
  readonly connections: number;
  /** Returns the bytes of a request; `last` is the body of the previous response on the same connection. */
  readonly request: (connection: number, last: string | undefined) => Buffer;
  /** Returns what is wrong with the body of a response, if anything. */
  readonly check: (body: string) => string | undefined;
};

export type Measured = {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of this process, to see that it was not the limit. */
  readonly loadCpuSeconds: number;
};

/** How work reports its operations, and learns when to stop. */
export type Tally = {
  readonly stopping: boolean;
  /** An operation has ended that began at `startMs` of `performance.now`. */
  done(startMs: number): void;
};

/** @throws {Error} at the first wrong response */
export function runLoad({ port, connections, request, check, ...period }: Load): Promise<Measured> {
  const run = async (index: number, tally: Tally) => {
    const connection = await openConnection(port);
    let last: string | undefined;
    while (!tally.stopping) {
      const bytes = request(index, last);
      const start = performance.now();
      last = await connection.send(bytes);
      tally.done(start);
      const wrong = check(last);
      if (wrong !== undefined) throw new Error(`wrong response (${wrong}): ${last}\nto ${bytes}`);
    }
    connection.close();
  };
  return measureWork(period, (tally) =>
    Promise.all(Array.from({ length: connections }, (_, index) => run(index, tally))),
  );
}

/**
 * Measures work that goes on until its tally says `stopping`.
 * @throws {Error} what the work rejects with
 */
export async function measureWork(
  { seconds, warmUpSeconds, onStart }: Period,
  work: (tally: Tally) => Promise<unknown>,
): Promise<Measured> {
  let counting = false;
  const latencies: number[] = [];
  const tally = {
    stopping: false,
    done(startMs: number) {
      if (counting) latencies.push(performance.now() - startMs);
    },
  };
  const all = work(tally);
  try {
    await Promise.race([all, sleep(warmUpSeconds * 1000)]);
    onStart?.();
    counting = true;
    const start = performance.now();
    const cpu = process.cpuUsage();
    await Promise.race([all, sleep(seconds * 1000)]);
    // If the time is very short and the machine is busy, wait for at least one response.
    while (latencies.length === 0) await Promise.race([all, sleep(10)]);
    counting = false;
    const took = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    tally.stopping = true;
    await all;
    return {
      operations: latencies.length,
      perSecond: latencies.length / took,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      loadCpuSeconds: (user + system) / 1e6,
    };
  } finally {
    tally.stopping = true;
  }
}
