// On a bad network, and with a server that is killed, the SDK still delivers every change once and in order.
// SDK_FAULT_SECONDS and SDK_FAULT_SEED repeat a run, or make it longer.

import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { PING_INTERVAL_SECONDS } from "../../sdk/protocol.ts";
import { MemX, type SubscriptionStatus, type ValueEvent } from "../../sdk/typescript/index.ts";
import { amount } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { createRandom } from "../support/random.ts";
import { killGroup } from "./support/dev-server.ts";
import { type RoughProxy, startRoughProxy } from "./support/rough-proxy.ts";
import { newDisk, startWorkerd } from "./support/workerd.ts";

const SECONDS = Number(process.env.SDK_FAULT_SECONDS ?? amount(5, 120));
const SEED = process.env.SDK_FAULT_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
const WRITERS = 5;
const KEYS = ["a", "b", "c"];
const apiKey = "local_dev_key";
/** So long that a client that reconnects never gets a reset. */
const bindings = { LOG_LENGTH: "100000" };
/** A short run has no time for half a minute of silence. */
const pings = SECONDS < 60 ? { pingIntervalMs: 1_000, pingTimeoutMs: 1_000 } : {};

const clients: MemX[] = [];
let proxy: RoughProxy | undefined;

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await proxy?.close();
  proxy = undefined;
});

function connect(baseUrl: string, options: ConstructorParameters<typeof MemX>[0] = {}): MemX {
  const memx = new MemX({ apiKey, baseUrl, timeoutMs: 1_000, retries: 50, ...options });
  clients.push(memx);
  return memx;
}

function collect(memx: MemX, ...args: Parameters<MemX["watch"]>) {
  const events: ValueEvent[] = [];
  const subscription = memx.watch(args[0], (event) => events.push(event as ValueEvent));
  return { events, ready: subscription.ready };
}

/** Writes one value after the other, until `isOver`. */
async function write(memx: MemX, name: number, isOver: () => boolean) {
  const written: { key: string; value: unknown; revision: number }[] = [];
  for (let n = 0; !isOver(); n++) {
    const key = KEYS[(n + name) % KEYS.length] as string;
    const value = `${name}-${n}`;
    const { revision } = await memx.set(key, value);
    written.push({ key, value, revision });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return written;
}

const plain = (events: readonly { key: string; value?: unknown; revision: number }[]) =>
  events.map(({ key, value, revision }) => ({ key, value, revision }));

async function expectAll(events: readonly ValueEvent[], writers: Promise<Awaited<ReturnType<typeof write>>[]>) {
  const written = (await writers).flat().sort((x, y) => x.revision - y.revision);
  // A lost announcement or a black hole may cost half a minute.
  await expect.poll(() => events.length, { timeout: LONG_PATIENCE_MS }).toBeGreaterThanOrEqual(written.length);
  expect(plain(events)).toEqual(written);
  return written;
}

it(`sees every change once and in order through ${SECONDS} s of a network that fails (seed ${SEED})`, {
  tags: ["long"],
  timeout: (SECONDS + 240) * 1_000,
}, async ({ annotate }) => {
  const { url } = await startWorkerd({ bindings });
  proxy = await startRoughProxy(url, { random: createRandom(SEED), meanMs: 400 });
  const { events, ready } = collect(connect(proxy.url, pings), "*");
  await ready;
  let over = false;
  const rough = proxy.url;
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, name) => write(connect(rough), name, () => over)));
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
  await expect.poll(() => events.length).toBeGreaterThan(20);
  over = true;
  proxy.calm();
  const written = await expectAll(events, writers);
  await annotate(`${written.length} changes through ${JSON.stringify(proxy.counts)}`);
});

it("loses nothing when the server is killed and started again", async () => {
  const disk = newDisk();
  let memx = await startWorkerd({ disk, bindings });
  // The address stays, the server behind it changes.
  const current = () => memx.url;
  const fetchCurrent = (url: string, init: RequestInit) => fetch(url.replace("http://memx", current()), init);
  class CurrentWebSocket extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address.replace("ws://memx", current().replace("http", "ws")), protocols);
    }
  }
  const options = { fetch: fetchCurrent, WebSocket: CurrentWebSocket as never };
  const { events, ready } = collect(connect("http://memx", options), "*");
  await ready;
  let over = false;
  const writers = Promise.all([0, 1].map((name) => write(connect("http://memx", options), name, () => over)));
  for (let kill = 0; kill < 2; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const ended = once(memx.process, "exit");
    killGroup(memx.process.pid);
    await ended;
    memx = await startWorkerd({ disk, bindings });
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  over = true;
  await expectAll(events, writers);
});

it("notices by its pings that a connection has become a black hole", async () => {
  const { url } = await startWorkerd({ bindings });
  proxy = await startRoughProxy(url, { random: createRandom(SEED), meanMs: 0, faults: ["none"] });
  const statuses: SubscriptionStatus[] = [];
  // Both intervals are twenty times as short as usual.
  const memx = connect(proxy.url, { pingIntervalMs: (PING_INTERVAL_SECONDS * 1_000) / 20, pingTimeoutMs: 10_000 / 20 });
  const events: unknown[] = [];
  const subscription = memx.subscribe("a", (event) => events.push(event), {
    onStatus: (status) => statuses.push(status),
  });
  await subscription.ready;
  proxy.swallow();
  await expect.poll(() => statuses).toContain("connecting");
  await connect(url).set("a", 1);
  await expect.poll(() => events.length).toBe(1);
});
