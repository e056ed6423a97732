// Measures the TypeScript client with its calls by HTTP, over a socket, and as `auto` chooses, on the same memX, in rounds that take
// turns. Run it by hand: npm run build && node bench/measure-client.ts --flights 1,4,64 --rounds 5 --seconds 2

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MemX } from "../sdk/typescript/index.ts";
import { startMemx } from "./contestants/memx.ts";
import { cpuSeconds } from "./processes.ts";
import { median } from "./statistics.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    /** Calls in flight together. */
    flights: { type: "string", default: "64" },
    ways: { type: "string", default: "http,socket,auto" },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
const ways = values.ways.split(",") as ("http" | "socket" | "auto")[];
const WARM_UP_SECONDS = 0.5;
const KEYS = Array.from({ length: 100 }, (_, n) => `bench:${n}`);

/** Calls a second, and microseconds of CPU time for each, in memX and in this process. */
type Rate = { readonly perSecond: number; readonly server: number; readonly client: number };

const memx = await startMemx();
const rates: Record<string, Rate[]> = {};
try {
  for (const key of KEYS) await clientOf("http").set(key, { n: 1 });
  for (const flight of values.flights.split(",").map(Number)) {
    for (let round = 0; round < rounds; round++) {
      for (const name of ["get", "set"] as const) {
        for (const way of round % 2 > 0 ? ways.toReversed() : ways) {
          const what = `${name}, ${flight} in flight, ${way}`;
          rates[what] = [...(rates[what] ?? []), await measure(name, flight, way)];
        }
      }
    }
  }
} finally {
  await memx.stop();
}
for (const [what, measured] of Object.entries(rates)) {
  const of = (field: keyof Rate) => median(measured.map((rate) => rate[field])).toFixed(0);
  console.log(`${what}: ${of("perSecond")} a second; CPU µs each: memX ${of("server")}, client ${of("client")}`);
}

function clientOf(calls: (typeof ways)[number]): MemX {
  return new MemX({ apiKey: memx.headers["x-api-key"] ?? "", baseUrl: `http://127.0.0.1:${memx.port}`, calls });
}

async function measure(name: "get" | "set", flight: number, way: (typeof ways)[number]): Promise<Rate> {
  const client = clientOf(way);
  let [turn, answered, stopping] = [0, 0, false];
  const callers = Array.from({ length: flight }, async () => {
    while (!stopping) {
      const key = KEYS[turn++ % KEYS.length] as string;
      await (name === "get" ? client.get(key) : client.set(key, { n: turn }));
      answered++;
    }
  });
  const failed = Promise.all(callers);
  await Promise.race([failed, sleep(WARM_UP_SECONDS * 1_000)]);
  const [server, client0, start, before] = [cpuOfServer(), process.cpuUsage(), performance.now(), answered];
  await Promise.race([failed, sleep(seconds * 1_000)]);
  const calls = answered - before;
  const took = (performance.now() - start) / 1_000;
  const used = process.cpuUsage(client0);
  const rate = {
    perSecond: calls / took,
    server: ((cpuOfServer() - server) * 1e6) / calls,
    client: (used.user + used.system) / calls,
  };
  stopping = true;
  await failed;
  client.close();
  return rate;
}

function cpuOfServer(): number {
  return cpuSeconds(memx.pids.slice(0, 1));
}
