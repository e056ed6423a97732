// Measures what several processes on one Redis bring: sets a second with one and with more processes, and the time from a set
// to a subscriber of another process against one of the same. The load and Redis run on the same machine, so it also prints what
// they take of the processors. Run it by hand: npm run build && node bench/measure-processes.ts --rounds 5 --seconds 3

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort } from "../test/support/free-port.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { httpRequest, openConnection } from "./connection.ts";
import { runLoad } from "./load.ts";
import { updated, value } from "./operations.ts";
import { cpuSeconds, type Server, startServer } from "./processes.ts";
import { median, medianRatio, quantile } from "./statistics.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    connections: { type: "string", default: "32" },
    processes: { type: "string", default: "2" },
    sets: { type: "string", default: "500" },
  },
});
const [rounds, seconds, sets] = [Number(values.rounds), Number(values.seconds), Number(values.sets)];
const counts = [1, Number(values.processes)] as const;
const API_KEY = "bench";
const headers = { "x-api-key": API_KEY };
const REQUESTS = Array.from({ length: 100 }, (_, n) =>
  httpRequest("POST", "/set", headers, { key: `bench:${n}`, value: value(n) }),
);

type Rate = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly memx: number;
  readonly redis: number;
  readonly load: number;
};

console.log(`${availableParallelism()} processors, load of the machine before: ${loadavg()[0]?.toFixed(2)}`);
const rates = new Map<number, Rate[]>(counts.map((count) => [count, []]));
for (let round = 0; round < rounds; round++) {
  for (const count of round % 2 > 0 ? counts.toReversed() : counts) rates.get(count)?.push(await throughput(count));
}
for (const [count, measured] of rates) {
  const of = (field: keyof Rate) => median(measured.map((rate) => rate[field]));
  const share = (field: "memx" | "redis" | "load") => `${of(field).toFixed(2)} ${field === "memx" ? "memX" : field}`;
  console.log(
    `${count} processes: ${Math.round(of("perSecond"))} sets a second, p50 ${of("p50Ms").toFixed(2)} ms; ` +
      `processors in use: ${(["memx", "redis", "load"] as const).map(share).join(", ")}`,
  );
}
const perSecond = (count: number) => (rates.get(count) ?? []).map((rate) => rate.perSecond);
console.log(`${counts[1]} processes do ${medianRatio(perSecond(counts[1]), perSecond(1)).toFixed(2)} times as many`);
await delivery();

async function startMemx(redisUrl: string, processes: number) {
  const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), "memx-bench-processes-"))];
  const env = { MEMX_ACL: JSON.stringify({ [API_KEY]: ["*"] }), RATE_LIMIT: "0", MEMX_DATA_DIR: join(folder, "data") };
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer(process.execPath, [resolve("selfhost/start.ts")], {
    cwd: folder,
    env: { ...env, MEMX_PORT: String(port), PROCESSES: String(processes), REDIS_URL: redisUrl },
    ready: async () => {
      if (!(await fetch(`${url}/health`)).ok) throw new Error("not ready");
    },
  });
  await untilReady(server);
  const { pid, stop } = server;
  return {
    port,
    pids: [pid, ...childrenOf(pid)],
    async stop() {
      await stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The first process responds before the last one listens. */
async function untilReady({ output }: Server): Promise<void> {
  while (!output().includes("memX is ready on ")) await sleep(20);
}

async function throughput(count: number): Promise<Rate> {
  const redis = await startRedisServer({ args: ["--appendonly", "yes"] });
  const memx = await startMemx(redis.url, count);
  try {
    let [turn, memxBefore, redisBefore] = [0, 0, 0];
    const measured = await runLoad({
      port: memx.port,
      connections: Number(values.connections),
      seconds,
      warmUpSeconds: 1,
      request: () => REQUESTS[turn++ % REQUESTS.length] as Buffer,
      check: updated,
      onStart: () => {
        [memxBefore, redisBefore] = [cpuSeconds(memx.pids), cpuSeconds([redis.pid as number])];
      },
    });
    const took = measured.operations / measured.perSecond;
    return {
      perSecond: measured.perSecond,
      p50Ms: measured.p50Ms,
      memx: (cpuSeconds(memx.pids) - memxBefore) / took,
      redis: (cpuSeconds([redis.pid as number]) - redisBefore) / took,
      load: measured.loadCpuSeconds / took,
    };
  } finally {
    await memx.stop();
    await redis.stop();
  }
}

/** Two memX of one process each, so that it is known which subscriber is on which. */
async function delivery(): Promise<void> {
  const redis = await startRedisServer({ args: ["--appendonly", "yes"] });
  const [here, there] = [await startMemx(redis.url, 1), await startMemx(redis.url, 1)];
  try {
    const heard = await Promise.all([here, there].map(({ port }) => listen(port)));
    const connection = await openConnection(here.port);
    const times: [number[], number[]] = [[], []];
    for (let n = -50; n < sets; n++) {
      const start = performance.now();
      const arrivals = heard.map((next) => next());
      const response = connection.send(REQUESTS[Math.abs(n) % REQUESTS.length] as Buffer);
      const [same = 0, other = 0] = await Promise.all(arrivals);
      await response;
      // The first ones warm up.
      if (n < 0) continue;
      times[0].push(same - start);
      times[1].push(other - start);
    }
    connection.close();
    const [same, other] = times.map((list) => [quantile(list, 0.5), quantile(list, 0.99)] as const);
    if (!same || !other) return;
    const shown = ([p50, p99]: readonly [number, number]) => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
    console.log(`set to a subscriber of the same process: ${shown(same)}; of another process: ${shown(other)}`);
    console.log(`${(other[0] / same[0]).toFixed(2)} times as long`);
  } finally {
    await here.stop();
    await there.stop();
    await redis.stop();
  }
}

/** Subscribes, and returns a function that resolves with the time of the next event. */
async function listen(port: number): Promise<() => Promise<number>> {
  const key = `memx.key.${Buffer.from(API_KEY).toString("base64url")}`;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/watch?pattern=*`, ["memx.v1", key]);
  let next = Promise.withResolvers<number>();
  const ready = next.promise;
  socket.addEventListener("message", () => next.resolve(performance.now()));
  await ready;
  return () => {
    next = Promise.withResolvers();
    return next.promise;
  };
}

/** All processes that this one has started, and those that they have. */
function childrenOf(pid: number): number[] {
  const children = readdirSync("/proc").filter((name) => {
    try {
      return (
        /^\d+$/.test(name) &&
        Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1]) === pid
      );
    } catch {
      // It has ended.
      return false;
    }
  });
  return children.map(Number).flatMap((child) => [child, ...childrenOf(child)]);
}
