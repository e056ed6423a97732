// `npm run bench`: measures memX, a bare Worker on the same runtime (the floor), etcd, NATS, and Redis, in rounds that take
// turns.
// Prints tables and whether memX reaches its targets, and writes them with the numbers of each round to bench/results.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { countCalls } from "./calls.ts";
import { measureConnect } from "./connect.ts";
import { buildFloor } from "./contestants/floor.ts";
import { measureDelivery } from "./delivery.ts";
import { measureGrowth } from "./growth.ts";
import { describeMachine, mostSockets, needLinux, needPrograms } from "./machine.ts";
import { FULL, measureRelays, QUICK } from "./measure-relays.ts";
import { OPERATIONS } from "./operations.ts";
import { rewritePage, tables } from "./report.ts";
import { type Results, withEarlier, writeResults } from "./results.ts";
import { measureResume } from "./resume.ts";
import { measureSize } from "./size.ts";
import { measureSockets } from "./sockets.ts";
import { measureThroughput } from "./throughput.ts";

const PARTS = ["throughput", "connect", "delivery", "resume", "calls", "size", "sockets", "relays", "growth"] as const;

/** As many as memX allows a namespace in one process. */
const SOCKETS = 5_000;

const DOCS = "docs/performance";

const { values } = parseArgs({
  allowNegative: true,
  options: {
    /** Parts of the run, or operations of the throughput part, separated by commas. All by default. */
    only: { type: "string" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    connections: { type: "string", default: "16" },
    /** Measures as little as possible, to show that the bench works. */
    quick: { type: "boolean", default: false },
    etcd: { type: "boolean", default: true },
    nats: { type: "boolean", default: true },
    /** Builds dist/ first. */
    build: { type: "boolean", default: true },
    /** Also writes the results to docs/performance.md. */
    docs: { type: "boolean", default: false },
    out: { type: "string", default: "bench/results" },
  },
});
const { quick, etcd } = values;
const rounds = quick ? 1 : Number(values.rounds);
const seconds = quick ? 0.05 : Number(values.seconds);
const connections = Number(values.connections);
const only = values.only === undefined ? undefined : new Set(values.only.split(","));
const operations = OPERATIONS.map(({ name }) => name);
const unknown = [...(only ?? [])].filter((name) => ![...PARTS, ...operations].includes(name));
if (unknown.length > 0 || !(rounds > 0) || !(seconds > 0) || !(connections > 0)) {
  console.error(
    `--only takes ${[...PARTS, ...operations].join(", ")}. --rounds, --seconds and --connections must be above 0.`,
  );
  process.exit(1);
}
const wanted = (part: (typeof PARTS)[number]) => only === undefined || only.has(part);
/** Only one part measures it. */
const nats = values.nats && wanted("connect");
const chosen = operations.filter((name) => only === undefined || only.has("throughput") || only.has(name));

try {
  needLinux();
  needPrograms(["redis-server", ...(etcd ? (["etcd"] as const) : []), ...(nats ? (["nats-server"] as const) : [])]);
  const results: Results = { machine: describeMachine({ etcd, nats }), connections };
  if (values.build) execFileSync(process.execPath, ["scripts/build.ts"], { stdio: "inherit" });
  buildFloor();
  /** Saves what a part measured, so that a run that fails keeps its earlier parts. */
  const measure = async (part: (typeof PARTS)[number], measured: () => Promise<Partial<Results>>) => {
    if (part === "throughput" ? chosen.length === 0 : !wanted(part)) return;
    const start = performance.now();
    Object.assign(results, await measured());
    writeResults(results, values.out);
    console.log(`${part}: ${Math.round((performance.now() - start) / 1000)} s`);
  };
  if (!quick && (wanted("delivery") || wanted("sockets")) && mostSockets() < SOCKETS)
    throw new Error(`The bench opens ${SOCKETS} sockets. Raise ulimit -n to 10,500.`);
  await measure("throughput", async () => {
    const warmUpSeconds = quick ? 0.05 : 0.5;
    const options = { rounds, seconds, warmUpSeconds, connections, only: new Set(chosen), etcd };
    return { throughput: await measureThroughput(options, console.log) };
  });
  await measure("connect", async () => {
    const period = quick ? { seconds, warmUpSeconds: 0.05 } : { seconds: seconds * 0.4, warmUpSeconds: 0.25 };
    return { connect: await measureConnect({ rounds, ...period, etcd, nats }, console.log) };
  });
  await measure("delivery", async () => ({
    delivery: await measureDelivery(
      {
        rounds: Math.min(rounds, 3),
        sizes: quick ? [0, 1, 20] : [0, 1, 10, 100, 1_000, SOCKETS],
        messages: (subscribers) => (quick ? 2 : Math.max(10, Math.min(100, Math.round(30_000 / subscribers)))),
        only: ({ contestant, name: feed }, subscribers) =>
          (etcd || contestant !== "etcd") &&
          (subscribers > 0 || feed === "subscribe") &&
          (subscribers !== 10 || feed === "subscribe" || feed === "broadcast"),
      },
      console.log,
    ),
  }));
  await measure("resume", async () => ({
    resume: await measureResume({ rounds: Math.min(rounds, 3), samples: quick ? 1 : 20, etcd }, console.log),
  }));
  await measure("calls", async () => ({ calls: await countCalls() }));
  await measure("size", async () => ({ size: await measureSize({ starts: quick ? 1 : 9 }) }));
  await measure("sockets", async () => ({
    sockets: await measureSockets({ from: quick ? 10 : 1_000, to: quick ? 50 : SOCKETS, quick }),
  }));
  await measure("relays", async () => {
    const options = quick ? QUICK : { ...FULL, rounds: Math.min(rounds, 3) };
    return { relays: await measureRelays(options, console.log) };
  });
  await measure("growth", async () => {
    const sizes = quick ? [100, 300] : [1_000, 10_000, 100_000, 1_000_000];
    const options = { sizes, rounds: Math.min(rounds, 5), seconds: quick ? 0.05 : 1, connections };
    return { growth: await measureGrowth(options, console.log) };
  });
  const made = [...tables(results).values()];
  writeFileSync(join(values.out, "results.md"), `${made.join("\n\n")}\n`);
  const [machine, targets, ...rest] = made;
  console.log(`\n${[...rest, machine, targets].join("\n\n")}\n\nAll numbers are in ${values.out}.`);
  if (values.docs) {
    const all = withEarlier(results, DOCS);
    writeResults(all, DOCS);
    rewritePage(`${DOCS}.md`, all);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
