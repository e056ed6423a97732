// Kills the process in the middle of traffic and restarts it. No acknowledged write is lost, and clients that reconnect
// with `since` get every change once and in order.

import { once } from "node:events";
import { expect, it } from "vitest";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { killGroup } from "./support/dev-server.ts";
import { newDisk, startWorkerd, type Workerd } from "./support/workerd.ts";

const KILLS = 5;
const WRITERS = 4;
const KEYS = ["a", "b", "c"];
const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };

type Event = { event: string; key: string; revision: number };

let memx: Workerd;
let over = false;
let writes = 0;

/** Follows keys through every restart. `events` collects the events of all its connections. */
async function follow(path: string): Promise<{ events: Event[]; done: Promise<void> }> {
  const events: Event[] = [];
  let since = 0;
  const connect = () =>
    new Promise<void>((resolve) => {
      let safe = since > 0;
      const socket = new WebSocket(`${memx.url.replace("http", "ws")}${path}&since=${since}`, {
        protocols: ["memx.v1"],
        headers,
      } as never);
      socket.addEventListener("message", ({ data }) => {
        const event = JSON.parse(data as string) as Event;
        expect(event.event).not.toBe("reset");
        if (event.event === "ready") safe = true;
        else events.push(event);
        if (safe) since = event.revision;
      });
      const end = () => resolve();
      socket.addEventListener("close", end);
      socket.addEventListener("error", end);
      const watch = setInterval(() => {
        if (!over) return;
        clearInterval(watch);
        socket.close();
        resolve();
      }, 100);
    });
  const done = (async () => {
    while (!over) {
      await connect();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return { events, done };
}

/** Writes until `isOver`, and repeats each write until memX acknowledges it. */
async function write(name: string, isOver: () => boolean): Promise<Event[]> {
  const written: Event[] = [];
  for (let n = 0; !isOver(); n++) {
    const key = KEYS[n % KEYS.length] as string;
    const body = JSON.stringify({ key, value: { name, n } });
    for (;;) {
      const request = { method: "POST", body, headers: { ...headers, "idempotency-key": `${name}-${n}` } };
      const response = await fetch(`${memx.url}/set`, request).catch(() => undefined);
      const text = await response?.text().catch(() => undefined);
      if (response?.ok && text) {
        written.push({ event: "value", key, revision: JSON.parse(text).revision });
        writes++;
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return written;
}

it("loses, doubles and reorders nothing for clients that reconnect, however often it is killed", async () => {
  const disk = newDisk();
  // So long that no client falls out of the log during a restart.
  const bindings = { LOG_LENGTH: "100000" };
  memx = await startWorkerd({ disk, bindings });
  const followers = await Promise.all([
    follow("/watch?pattern=*"),
    ...KEYS.map((key) => follow(`/subscribe/${key}?event=value`)),
  ]);
  let stop = false;
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, n) => write(`w${n}`, () => stop)));
  for (let kill = 0; kill < KILLS; kill++) {
    const before = writes;
    await expect.poll(() => writes).toBeGreaterThan(before + 15);
    await new Promise((resolve) => setTimeout(resolve, 200 * Math.random()));
    const ended = once(memx.process, "exit");
    killGroup(memx.process.pid);
    await ended;
    memx = await startWorkerd({ disk, bindings });
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  stop = true;
  const written = (await writers).flat().sort((x, y) => x.revision - y.revision);
  const first = written[0]?.revision ?? 0;
  expect(written.map(({ revision }) => revision)).toEqual(written.map((_, index) => first + index));
  expect(written.length).toBeGreaterThan(50);

  const wanted = [written, ...KEYS.map((key) => written.filter((change) => change.key === key))];
  for (const [index, { events }] of followers.entries()) {
    const last = wanted[index]?.at(-1)?.revision;
    // A lost notification may delay a change by half a minute.
    await expect.poll(() => events.at(-1)?.revision, { timeout: LONG_PATIENCE_MS }).toBe(last);
    // After a crash a channel may send a change twice; the revision identifies it.
    const seen = new Set<number>();
    const fresh = events.filter(({ revision }) => !seen.has(revision) && seen.add(revision));
    const inSnapshot = new Set(fresh.map(({ revision }) => revision));
    expect(fresh.map(({ revision }) => revision)).toEqual(
      wanted[index]?.map(({ revision }) => revision).filter((revision) => inSnapshot.has(revision)),
    );
    // A snapshot at the start replaces the changes before it. After it, no change may be missing.
    const start = fresh[0]?.revision ?? 0;
    expect(fresh.length).toBe(wanted[index]?.filter(({ revision }) => revision >= start).length);
  }
  over = true;
  await Promise.all(followers.map(({ done }) => done));
});
