// Several memX processes on one Redis: every subscriber gets every change at once, whichever process it and the writer are on.
// What a channel repairs takes 30 seconds, and these tests wait less.

import { afterEach, expect, it } from "vitest";
import { MemX, type ValueEvent } from "../../sdk/typescript/index.ts";
import { isLong } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS, PATIENCE_MS } from "../support/patience.ts";
import { createRandom } from "../support/random.ts";
import { command } from "./support/redis-command.ts";
import { type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";
import { workerdsOf } from "./support/usage.ts";

const apiKey = "local_dev_key";
const SETTINGS = { MEMX_ACL: JSON.stringify({ [apiKey]: ["*"] }), RATE_LIMIT: "0", LOG_LENGTH: "1000000" };
const SECONDS = isLong ? 20 : 4;

const hosts: SelfHosted[] = [];
const clients: MemX[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  // The one with the Redis last.
  for (const host of hosts.splice(0).reverse()) await host.close();
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<SelfHosted> {
  const host = await startSelfHosted("redis", { ...SETTINGS, ...env });
  hosts.push(host);
  return host;
}

const redisOf = (host: SelfHosted | undefined) => host?.redis?.url as string;

function connect({ url }: SelfHosted): MemX {
  const memx = new MemX({ apiKey, baseUrl: url, timeoutMs: 2_000, retries: 50 });
  clients.push(memx);
  return memx;
}

type Watcher = { readonly memx: MemX; readonly events: ValueEvent[]; readonly resets: number[] };

async function watch(host: SelfHosted, pattern = "*"): Promise<Watcher> {
  const [memx, events, resets]: [MemX, ValueEvent[], number[]] = [connect(host), [], []];
  const subscription = memx.watch(pattern, (event) => events.push(event as ValueEvent), {
    onReset: (revision) => resets.push(revision),
  });
  await subscription.ready;
  return { memx, events, resets };
}

/** The names of the processes that watch the key, or the namespace. */
async function watching(redisUrl: string, key = ""): Promise<Set<string>> {
  const marks = String((await command(redisUrl, "HGET", `{memx:}:entry:${key}`, "watcher")) ?? "");
  return new Set([...marks.matchAll(/(\S+):\S+ \d+/g)].map(([, name]) => name as string));
}

/** Connects subscribers until each process has one: the system chooses the process of a connection. */
async function watchOnEach(host: SelfHosted, processes: number): Promise<Watcher[]> {
  const watchers: Watcher[] = [];
  while ((await watching(redisOf(host))).size < processes) watchers.push(await watch(host));
  return watchers;
}

const revisions = (events: readonly { readonly revision: number }[]) => events.map(({ revision }) => revision);

it.each([2, 3])("tells the subscribers of each of %s processes at once", async (processes) => {
  const host = await start({ PROCESSES: String(processes) });
  expect(host.output()).toContain(`processes: ${processes}   data: `);
  expect(workerdsOf(host.pid())).toHaveLength(processes);
  const watchers = await watchOnEach(host, processes);
  const written: number[] = [];
  for (let n = 0; n < 30; n++) {
    const writer = connect(host);
    written.push((await writer.set(`k:${n % 3}`, { n, text: 'größer \u0001 🧠 " / \\' })).revision);
  }
  for (const { events } of watchers) {
    await expect.poll(() => revisions(events)).toEqual(written);
    expect(events.map(({ value }) => (value as { n: number }).n)).toEqual(written.map((_, n) => n));
    expect(events[0]?.value).toEqual({ n: 0, text: 'größer \u0001 🧠 " / \\' });
  }
});

it("tells a memX on another machine every kind of change, and only of what it watches", async () => {
  const here = await start();
  const there = await start({ REDIS_URL: redisOf(here) });
  const [all, one] = [await watch(there), await watch(there, "one")];
  const events: unknown[] = [];
  const subscription = connect(there).subscribe("one", (event) => events.push(event), { event: "all" });
  await subscription.ready;
  const memx = connect(here);
  await memx.set("other", 1);
  await memx.set("one", [], { ttl: 1 });
  await memx.setSchema("one", { type: "array" });
  await memx.batch([
    { op: "set", key: "one", value: [1] },
    { op: "set", key: "other", value: 2 },
    { op: "set", key: "one", value: [2] },
  ]);
  await memx.deleteSchema("one");
  await memx.delete("one");
  await memx.set("one", [3], { ttl: 1 });
  const kinds = () => (events as { event: string; action: string }[]).map(({ event, action }) => `${event} ${action}`);
  const expected = ["value set", "schema set", "value set", "value set", "schema delete", "value delete", "value set"];
  await expect.poll(kinds).toEqual([...expected, "value expire"]);
  await expect.poll(() => all.events.length).toBe(8);
  expect(all.events.find(({ key }) => key === "other")).toMatchObject({ value: 1 });
  expect(one.events.every(({ key }) => key === "one")).toBe(true);
});

it("publishes nothing if no other process watches, and stops when it no longer does", async () => {
  const here = await start();
  const there = await start({ REDIS_URL: redisOf(here) });
  const published = async () => {
    const stats = String(await command(redisOf(here), "INFO", "commandstats"));
    return Number(/cmdstat_spublish:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  const memx = connect(here);
  await memx.set("a", 1);
  const own = await watch(here);
  await memx.set("a", 2);
  await expect.poll(() => own.events.length).toBe(1);
  expect(await published()).toBe(0);
  const other = await watch(there);
  await memx.set("a", 3);
  await expect.poll(() => other.events.length).toBe(1);
  expect(await published()).toBe(1);
  other.memx.close();
  // A change finds nobody there, and ends the watch.
  await expect
    .poll(async () => {
      const before = await published();
      await memx.set("a", 4);
      return (await published()) - before;
    })
    .toBe(0);
});

it("reads at once what it missed while it could not hear Redis", async () => {
  const here = await start();
  const there = await start({ REDIS_URL: redisOf(here) });
  const watcher = await watch(there);
  const memx = connect(here);
  const written: number[] = [];
  for (let round = 0; round < 5; round++) {
    expect(await command(redisOf(here), "CLIENT", "KILL", "TYPE", "pubsub")).toBeGreaterThan(0);
    // The first comes before any client can be back.
    for (let n = 0; n < 3; n++) written.push((await memx.set("a", n)).revision);
    await expect.poll(() => revisions(watcher.events)).toEqual(written);
  }
});

it("starts a process again that died, and the others serve meanwhile", async () => {
  const host = await start({ PROCESSES: "2" });
  const before = workerdsOf(host.pid());
  const [watchers, memx] = [await watchOnEach(host, 2), connect(host)];
  process.kill(before[0] as number, "SIGKILL");
  const written = [(await memx.set("a", 1)).revision];
  await expect.poll(() => workerdsOf(host.pid()).length, { timeout: LONG_PATIENCE_MS }).toBe(2);
  expect(workerdsOf(host.pid())).toContain(before[1]);
  expect(host.output()).toMatch(/^Process \d of memX exited with code \d+\. Starting it again in \d+ ms\.$/m);
  written.push((await memx.set("a", 2)).revision);
  for (const { events } of watchers) await expect.poll(() => revisions(events)).toEqual(written);
});

it.each([2, 4])(
  "gives each subscriber every change once and in order, while processes and connections of %s are killed",
  { tags: ["long"] },
  async (processes) => {
    const host = await start({ PROCESSES: String(processes) });
    const watchers = await watchOnEach(host, processes);
    const seed = String(Date.now());
    const random = createRandom(seed);
    const end = performance.now() + SECONDS * 1_000;
    const isOver = () => performance.now() > end;
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const written: number[] = [];
    const write = async (writer: number) => {
      const memx = connect(host);
      for (let n = 0; !isOver(); n++) {
        const { revision } = await memx.set(`k:${(writer + n) % 7}`, `${writer}-${n}`);
        written.push(revision);
        await pause(5);
      }
    };
    const disturb = async () => {
      while (!isOver()) {
        await pause(random.number(200, 1_000));
        const pids = workerdsOf(host.pid());
        if (random.number(0, 1) === 0) await command(redisOf(host), "CLIENT", "KILL", "TYPE", "pubsub");
        else if (pids.length > 1) process.kill(random.pick(pids), "SIGKILL");
      }
    };
    await Promise.all([...Array.from({ length: 2 * processes }, (_, writer) => write(writer)), disturb()]);
    written.sort((a, b) => a - b);
    for (const { events, resets } of watchers) {
      const seen = () => events.at(-1)?.revision;
      await expect.poll(seen, { timeout: PATIENCE_MS }).toBe(written.at(-1));
      expect(revisions(events), `seed ${seed}`).toEqual(written);
      expect(resets).toEqual([]);
    }
  },
);
