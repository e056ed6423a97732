// The load: connections that each send the next request when the last one was answered. An answer that is not as it should be
// ends the run.

import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import { quantile } from "./statistics.ts";

export type Load = {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Before anything is counted, because a runtime compiles what it runs often. */
  readonly warmUpSeconds: number;
  /** The bytes of a request; `last` is the answer before it on the same connection. */
  readonly request: (connection: number, last: string | undefined) => Buffer;
  /** What is wrong with the body of an answer. */
  readonly check: (body: string) => string | undefined;
  /** Called when counting begins. */
  readonly onStart?: () => void;
};

export type Measured = {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Seconds on a processor of this process, to see that it was not the limit. */
  readonly loadCpuSeconds: number;
};

/** @throws at the first answer that is wrong */
export async function runLoad(load: Load): Promise<Measured> {
  const { port, connections, seconds, warmUpSeconds, request, check, onStart } = load;
  let counting = false;
  let stopping = false;
  const latencies: number[] = [];
  const ask = async (index: number) => {
    const connection = await openConnection(port);
    let last: string | undefined;
    while (!stopping) {
      const bytes = request(index, last);
      const start = performance.now();
      last = await connection.ask(bytes);
      if (counting) latencies.push(performance.now() - start);
      const wrong = check(last);
      if (wrong !== undefined) throw new Error(`wrong answer, ${wrong}: ${last}\nto ${bytes}`);
    }
    connection.close();
  };
  const all = Promise.all(Array.from({ length: connections }, (_, index) => ask(index)));
  try {
    await Promise.race([all, sleep(warmUpSeconds * 1000)]);
    onStart?.();
    counting = true;
    const start = performance.now();
    const cpu = process.cpuUsage();
    await Promise.race([all, sleep(seconds * 1000)]);
    // A very short time, on a busy machine: at least one is waited for.
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
