// Measures gets and durable sets over one socket of calls against HTTP, on the same memX, in rounds that take turns. Run it by hand:
// npm run build && node bench/measure-connect.ts --rounds 5 --seconds 2

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CALLS_SUBPROTOCOL } from "../sdk/protocol.ts";
import { handshake, maskedFrame, readFrame } from "../test/support/raw-frames.ts";
import { httpRequest } from "./connection.ts";
import { startMemx } from "./contestants/memx.ts";
import { startBridgedRedis } from "./contestants/redis.ts";
import { runLoad } from "./load.ts";
import { type Headers, includes, prepare, updated, value } from "./operations.ts";
import { cpuSeconds } from "./processes.ts";
import { median, medianRatio } from "./statistics.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    /** Calls in flight on the socket, and connections of HTTP. */
    flight: { type: "string", default: "64" },
    connections: { type: "string", default: "16" },
    redis: { type: "boolean", default: false },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
const [flight, connections] = [Number(values.flight), Number(values.connections)];
const WARM_UP_SECONDS = 0.3;
const KEYS = Array.from({ length: 100 }, (_, n) => `bench:${n}`);

type Rate = { readonly perSecond: number; readonly cpuMicros: number };

const CALLS = {
  get: {
    http: (key: string, headers: Headers) => httpRequest("GET", `/get?key=${encodeURIComponent(key)}`, headers),
    message: (key: string) => `"call":"get","body":${JSON.stringify({ key })}}`,
    check: includes('"revision"'),
  },
  set: {
    http: (key: string, headers: Headers) => httpRequest("POST", "/set", headers, { key, value: value(1) }),
    message: (key: string) => `"call":"set","body":${JSON.stringify({ key, value: value(1) })}}`,
    check: updated,
  },
} as const;
type Name = keyof typeof CALLS;

const redis = values.redis ? await startBridgedRedis() : undefined;
const memx = await startMemx({ redis });
const rates: Record<string, Rate[]> = {};
try {
  await prepare(redis ? "memX on Redis" : "memX embedded", memx.port, memx.headers);
  for (let round = 0; round < rounds; round++) {
    for (const name of ["get", "set"] as const) {
      // Each goes first in half of the rounds.
      const ways = [overHttp, overSocket];
      for (const way of round % 2 > 0 ? ways.toReversed() : ways) {
        const what = `${name} ${way.name}`;
        rates[what] = [...(rates[what] ?? []), await way(name)];
      }
    }
  }
} finally {
  await memx.stop();
  await redis?.stop();
}
for (const [what, measured] of Object.entries(rates)) {
  const of = (field: keyof Rate) => median(measured.map((rate) => rate[field]));
  console.log(
    `${what}: ${Math.round(of("perSecond"))} a second, ${of("cpuMicros").toFixed(1)} µs of workerd's CPU time each`,
  );
}
for (const name of ["get", "set"]) {
  const [socket = [], http = []] = [rates[`${name} overSocket`], rates[`${name} overHttp`]];
  const ratio = (field: keyof Rate, over: Rate[], under: Rate[]) =>
    medianRatio(
      over.map((rate) => rate[field]),
      under.map((rate) => rate[field]),
    ).toFixed(1);
  console.log(
    `${name}: ${ratio("perSecond", socket, http)} times as many, CPU time ${ratio("cpuMicros", http, socket)} times less`,
  );
}

async function overHttp(name: Name): Promise<Rate> {
  const { http, check } = CALLS[name];
  const requests = KEYS.map((key) => http(key, memx.headers));
  let [turn, cpu] = [0, 0];
  const measured = await runLoad({
    port: memx.port,
    connections,
    seconds,
    warmUpSeconds: WARM_UP_SECONDS,
    request: () => requests[turn++ % requests.length] as Buffer,
    check,
    onStart: () => {
      cpu = cpuSeconds(memx.pids.slice(0, 1));
    },
  });
  const used = cpuSeconds(memx.pids.slice(0, 1)) - cpu;
  return { perSecond: measured.perSecond, cpuMicros: (used * 1e6) / measured.operations };
}

/** Keeps `flight` calls in flight: each frame of answers is followed by a frame of as many calls. */
async function overSocket(name: Name): Promise<Rate> {
  const messages = KEYS.map(CALLS[name].message);
  const socket = connect({ port: memx.port, host: "127.0.0.1", noDelay: true });
  let [id, answered, unread, stopping] = [0, 0, 0, false];
  const failure = Promise.withResolvers<never>();
  const send = (count: number) => {
    const frame = Array.from({ length: count }, () => `{"id":${++id},${messages[id % messages.length]}`);
    socket.write(text(frame.join("\n")));
  };
  let bytes = Buffer.alloc(0);
  let isOpen = false;
  socket.write(handshake("/connect", { "sec-websocket-protocol": CALLS_SUBPROTOCOL, ...memx.headers }));
  socket.on("error", failure.reject);
  socket.on("data", (chunk) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    if (!isOpen) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      isOpen = true;
      bytes = bytes.subarray(end + 4);
      send(flight);
    }
    for (let frame = readFrame(bytes); frame; frame = readFrame(bytes)) {
      bytes = bytes.subarray(frame.size);
      const answers = frame.payload.toString();
      if (frame.opcode !== 1) return failure.reject(new Error(`the socket closed: ${answers}`));
      if (answers === "pong") continue;
      const count = answers.split('"status":200,').length - 1;
      if (count !== answers.split('{"id":').length - 1) return failure.reject(new Error(answers));
      answered += count;
      unread += answers.length;
      if (unread > 256 * 1024) {
        socket.write(text("ping"));
        unread = 0;
      }
      if (!stopping) send(count);
    }
  });
  await Promise.race([failure.promise, sleep(WARM_UP_SECONDS * 1_000)]);
  const [cpu, start, before] = [cpuSeconds(memx.pids.slice(0, 1)), performance.now(), answered];
  await Promise.race([failure.promise, sleep(seconds * 1_000)]);
  const calls = answered - before;
  const took = (performance.now() - start) / 1_000;
  const used = cpuSeconds(memx.pids.slice(0, 1)) - cpu;
  stopping = true;
  socket.destroy();
  return { perSecond: calls / took, cpuMicros: (used * 1e6) / calls };
}

function text(payload: string): Buffer {
  return maskedFrame(1, Buffer.from(payload));
}
