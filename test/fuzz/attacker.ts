// A process that sends expensive requests with one API key, as fast as memX lets it. Runs apart from the test, so that its
// own work does not delay the victim's measurements. Ends by itself at its deadline, or when its parent goes away.

import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import { parseArgs } from "node:util";
import { createRandom, type Random } from "../support/random.ts";
import { EXPENSIVE_KINDS, type ExpensiveRequest, expensiveRequest, preparations } from "./expensive-requests.ts";

/** What the attacker reports to its parent, once after its preparations and once at the end. */
export type AttackReport = {
  readonly stage: "prepared" | "over";
  /** For each kind: requests by status, `0` for none, `left` if the attacker did not wait for one, and milliseconds of a request. */
  readonly kinds: Readonly<Record<string, { readonly statuses: Readonly<Record<string, number>>; readonly ms: Times }>>;
};
type Times = { readonly mean: number; readonly max: number };

/** Connections that it keeps open without reading. The oldest leaves when there are more. */
const MAX_HELD = 150;
/** After this time without a response, the attacker gives up on a request. */
const MAX_WAIT_MS = 60_000;

const { values } = parseArgs({
  options: {
    port: { type: "string" },
    "api-key": { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    kinds: { type: "string", default: "" },
    /** Requests at a time. */
    concurrency: { type: "string" },
  },
});
const random = createRandom(String(values.seed));
const port = Number(values.port);
const concurrency = Number(values.concurrency);
const apiKey = String(values["api-key"]);
const kinds = values.kinds ? values.kinds.split(",") : EXPENSIVE_KINDS;
const seen = new Map<string, { statuses: Record<string, number>; count: number; totalMs: number; maxMs: number }>();
const held: { destroy(): void }[] = [];
const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
let over = false;

process.on("disconnect", () => process.exit());

await all(preparations(random), attack);
report("prepared");
// Each kind at least once, however slow the machine is.
await all(
  kinds.map((kind) => expensiveRequest(random, [kind])),
  attack,
);
setTimeout(() => {
  over = true;
}, Number(values.seconds) * 1000);
await Promise.all(
  Array.from({ length: concurrency }, async (_, n) => {
    const own = random.fork(String(n));
    while (!over) await attack(expensiveRequest(own, kinds), own);
  }),
);
for (const connection of held) connection.destroy();
report("over");
process.disconnect();

async function all<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const work = async () => {
    for (let item = rest.shift(); item !== undefined && !over; item = rest.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

async function attack(expensive: ExpensiveRequest, own: Random = random): Promise<void> {
  const sentMs = performance.now();
  const status = await send(expensive, own).catch(() => 0);
  const ms = performance.now() - sentMs;
  const counts = seen.get(expensive.kind) ?? { statuses: {}, count: 0, totalMs: 0, maxMs: 0 };
  seen.set(expensive.kind, counts);
  counts.statuses[status] = (counts.statuses[status] ?? 0) + 1;
  counts.count++;
  counts.totalMs += ms;
  counts.maxMs = Math.max(counts.maxMs, ms);
  // A refused caller that asked again at once would measure only itself.
  if (status === 0 || status === 429) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Resolves with the status, and for `abandon` with "left" if it left before there was one. */
function send({ method, path, headers, body, manner }: ExpensiveRequest, own: Random): Promise<number | "left"> {
  return new Promise((resolve, reject) => {
    const isUpgrade = headers.upgrade !== undefined;
    const sent = request({
      host: "127.0.0.1",
      port,
      method,
      path,
      agent: manner === "read" && !isUpgrade ? agent : false,
      headers: {
        ...headers,
        "x-api-key": apiKey,
        ...(isUpgrade && {
          connection: "Upgrade",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        }),
        ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
      },
      ...(manner === "read" && { timeout: MAX_WAIT_MS }),
    });
    sent.on("timeout", () => sent.destroy(new Error("no response")));
    sent.on("error", reject);
    let hasLeft = false;
    let upgraded: Socket | undefined;
    if (manner === "abandon") {
      const leaveMs = own.pick([0, 1, 20, 200]);
      setTimeout(() => {
        hasLeft = true;
        resolve("left");
        sent.destroy();
        // It is not the request's any more.
        upgraded?.destroy();
      }, leaveMs);
    }
    if (manner === "hold") {
      hold(sent);
      // A long poll holds its response back. A stream that does not begin is as good as one that does.
      setTimeout(() => resolve("left"), path.startsWith("/changes") ? 200 : 5_000);
    }
    sent.on("response", (response) => {
      const status = response.statusCode ?? 0;
      response.on("error", () => resolve(status));
      if (manner === "read") {
        response.on("end", () => resolve(status));
        response.resume();
      } else if (status >= 400) {
        resolve(status);
        response.resume();
      } else if (manner === "hold") {
        response.pause();
        resolve(status);
      } else response.resume();
    });
    sent.on("upgrade", ({ statusCode = 0 }, socket: Socket) => {
      upgraded = socket;
      socket.on("error", () => socket.destroy());
      if (hasLeft) socket.destroy();
      if (manner === "hold") {
        // Node reads a part of what has arrived. Paused, it leaves the rest to the network.
        socket.pause();
        hold(socket);
        resolve(statusCode);
      } else socket.resume();
    });
    sent.end(body);
  });
}

function hold(connection: { destroy(): void }): void {
  held.push(connection);
  if (held.length > MAX_HELD) held.shift()?.destroy();
}

function report(stage: AttackReport["stage"]): void {
  const round = (ms: number) => Math.round(ms);
  const entries = [...seen].map(([kind, { statuses, count, totalMs, maxMs }]) => [
    kind,
    { statuses, ms: { mean: round(totalMs / count), max: round(maxMs) } },
  ]);
  process.send?.({ stage, kinds: Object.fromEntries(entries) } satisfies AttackReport);
}
