// Measures gets and durable sets over one socket of calls against HTTP, on the same memX, in rounds that take turns. Run it by hand:
// npm run build && node bench/measure-connect.ts --rounds 5 --seconds 2

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
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
  const handshake = {
    host: "memx",
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "memx.calls.v1",
    ...memx.headers,
  };
  const lines = Object.entries(handshake).map(([header, text]) => `${header}: ${text}\r\n`);
  let [id, answered, unread, stopping] = [0, 0, 0, false];
  const failure = Promise.withResolvers<never>();
  const send = (count: number) => {
    const frame = Array.from({ length: count }, () => `{"id":${++id},${messages[id % messages.length]}`);
    socket.write(masked(frame.join("\n")));
  };
  let bytes = Buffer.alloc(0);
  let isOpen = false;
  socket.write(`GET /connect HTTP/1.1\r\n${lines.join("")}\r\n`);
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
    for (let frame = unmasked(bytes); frame; frame = unmasked(bytes)) {
      bytes = bytes.subarray(frame.size);
      if (frame.opcode !== 1) return failure.reject(new Error(`the socket closed: ${frame.text}`));
      if (frame.text === "pong") continue;
      const count = frame.text.split('"status":200,').length - 1;
      if (count !== frame.text.split('{"id":').length - 1) return failure.reject(new Error(frame.text));
      answered += count;
      unread += frame.text.length;
      if (unread > 256 * 1024) {
        socket.write(masked("ping"));
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

/** A text frame of a client, masked with zeros (RFC 6455 §5.2). */
function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = 0x81;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (length >= 65_536) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) head.writeUInt16BE(length, 2);
  return Buffer.concat([head, payload]);
}

function unmasked(bytes: Buffer): { opcode: number; text: string; size: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1);
  const start = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < start) return undefined;
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < start + length) return undefined;
  const text = bytes.toString("utf8", start, start + length);
  return { opcode: bytes.readUInt8(0) & 0x0f, text, size: start + length };
}
