// The load: connections that each send the next request when the response to the last one arrives. A wrong response
// ends the run.

import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import { quantile } from "./statistics.ts";

export type Load = {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Before the measurement begins, because a runtime compiles code that runs often. */
  readonly warmUpSeconds: number;
  /** Returns the bytes of a request; `last` is the body of the previous response on the same connection. */
  readonly request: (connection: number, last: string | undefined) => Buffer;
  /** Returns what is wrong with the body of a response, if anything. */
  readonly check: (body: string) => string | undefined;
  /** Called when the measurement begins. */
  readonly onStart?: () => void;
};

export type Measured = {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of this process, to see that it was not the limit. */
  readonly loadCpuSeconds: number;
};

/** @throws {Error} at the first wrong response */
export async function runLoad(load: Load): Promise<Measured> {
  const { port, connections, seconds, warmUpSeconds, request, check, onStart } = load;
  let counting = false;
  let stopping = false;
  const latencies: number[] = [];
  const run = async (index: number) => {
    const connection = await openConnection(port);
    let last: string | undefined;
    while (!stopping) {
      const bytes = request(index, last);
      const start = performance.now();
      last = await connection.send(bytes);
      if (counting) latencies.push(performance.now() - start);
      const wrong = check(last);
      if (wrong !== undefined) throw new Error(`wrong response (${wrong}): ${last}\nto ${bytes}`);
    }
    connection.close();
  };
  const all = Promise.all(Array.from({ length: connections }, (_, index) => run(index)));
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
    stopping = true;
    await all;
    return {
      operations: latencies.length,
      perSecond: latencies.length / took,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      loadCpuSeconds: (user + system) / 1e6,
    };
  } finally {
    stopping = true;
  }
}
