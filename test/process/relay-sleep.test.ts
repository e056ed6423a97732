// A channel and its relays in another region sleep while nothing happens, in real time: nothing tells the platform to evict them.

import { setTimeout as wait } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { type Regions, startRegions } from "./support/regions.ts";
import type { Workerd } from "./support/workerd.ts";

/** Longer than the platform keeps an object that is idle. */
const IDLE_MS = 12_000;
const apiKey = "local_dev_key";

let regions: Regions | undefined;
const sockets: WebSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await regions?.stop();
  regions = undefined;
});

/** Not the SDK, which also asks over HTTP whether it may, and so may find another place. */
async function subscribe({ url }: Workerd): Promise<() => unknown[]> {
  const key = `memx.key.${Buffer.from(apiKey).toString("base64url")}`;
  const socket = new WebSocket(`${url.replace("http", "ws")}/watch?pattern=*`, ["memx.v1", key]);
  sockets.push(socket);
  const events: { readonly event: string; readonly value?: unknown }[] = [];
  socket.addEventListener("message", ({ data }) => events.push(JSON.parse(String(data))));
  await expect.poll(() => events).toMatchObject([{ event: "ready" }]);
  return () => events.slice(1).map(({ value }) => value);
}

async function set({ url }: Workerd, value: unknown): Promise<void> {
  const headers = { "x-api-key": apiKey, "content-type": "application/json" };
  const response = await fetch(`${url}/set`, { method: "POST", headers, body: JSON.stringify({ key: "a", value }) });
  expect(response.status).toBe(200);
}

/** Returns a function that returns what the objects of a process have told since its last call. */
function listen({ output }: Workerd): () => string[] {
  let heard = output().length;
  return () => {
    const text = output().slice(heard);
    heard += text.length;
    return text.split("\n").filter((line) => /^(woken|called )/.test(line));
  };
}

it("a change wakes the channel, its head and a leaf, and in a quiet minute only alarms call anyone", {
  tags: ["long"],
}, async () => {
  regions = await startRegions({ RELAY_KEEP: "1", RELAY_LEAF: "1", LOG_CALLS: "1" });
  const { home, far } = regions;
  const subscribers = [await subscribe(home), await subscribe(far), await subscribe(far)];
  const values = () => subscribers.map((received) => received());
  const [homeSays, farSays] = [listen(home), listen(far)];
  await wait(IDLE_MS);
  expect([...homeSays(), ...farSays()]).toEqual([]);
  const begin = performance.now();
  await set(home, 1);
  await expect.poll(values).toEqual([[1], [1], [1]]);
  console.log({ wokenAndDeliveredMs: Math.round(performance.now() - begin) });
  // What a process tells may come later than what it sends.
  await wait(1_000);
  expect(homeSays().sort()).toEqual(["called publish", "woken"]);
  expect(farSays().sort()).toEqual(["called forward", "called forward", "woken", "woken"]);

  await wait(60_000);
  const said = [...homeSays(), ...farSays()];
  expect(new Set(said)).toEqual(new Set(["woken", "called alarm", "called relayWatch"]));
  expect(said.filter((line) => line === "called alarm").length).toBeGreaterThanOrEqual(3);
  await set(home, 2);
  await expect.poll(values).toEqual([
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
});
