// Many writers at once: every acknowledged write is in the log, and revisions have no holes and reach subscribers in order.

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { openStore } from "../../memory/store/open-store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { freshKey, get, set } from "../support/client.ts";
import { evictStore } from "../support/engine.ts";
import { type Event, subscribe } from "../support/subscriber.ts";

const WRITERS = 20;
const WRITES_EACH = 20;

type Written = { key: string; value: number; revision: number };

/** All writers run at once, and each writes one value after the other. A value names its writer and its turn. */
async function writeAll(keys: readonly string[]): Promise<Written[]> {
  const writer = async (writer: number) => {
    const written: Written[] = [];
    for (let n = 0; n < WRITES_EACH; n++) {
      const key = keys[(writer + n * WRITERS) % keys.length] as string;
      const value = writer * 1_000 + n;
      written.push({ key, value, revision: (await set(key, value)).revision });
    }
    return written;
  };
  const all = await Promise.all(Array.from({ length: WRITERS }, (_, index) => writer(index)));
  return all.flat().sort((a, b) => a.revision - b.revision);
}

async function readLog(key: string): Promise<readonly Change[]> {
  return (await openStore(env).readLog("", key, 0)).changes;
}

function expectNoHoles(written: readonly Written[]): void {
  const first = written[0]?.revision ?? 0;
  expect(written.map(({ revision }) => revision)).toEqual(written.map((_, index) => first + index));
}

const plain = (events: readonly Event[]) => events.map(({ key, value, revision }) => ({ key, value, revision }));

it("loses no write of 20 writers on one key, and the last revision is the current one", async () => {
  const key = freshKey();
  const subscribers = await Promise.all([subscribe(key), subscribe(key)]);
  const written = await writeAll([key]);
  expectNoHoles(written);
  const log = await readLog(key);
  expect(log.map(({ revision, json }) => ({ key, value: Number(json), revision }))).toEqual(written);
  expect(JSON.parse(await get(key))).toMatchObject({
    value: written.at(-1)?.value,
    revision: written.at(-1)?.revision,
  });
  for (const subscriber of subscribers) {
    const events = await subscriber.take(written.length);
    expect(plain(events)).toEqual(written);
    events.slice(1).forEach((event, index) => void expect(event.previous).toBe(events[index]?.revision));
  }
  const { revision } = await set(key, "last");
  for (const subscriber of subscribers) expect(await subscriber.take(1)).toMatchObject([{ revision }]);
});

it("loses no write of 20 writers on 100 keys", async () => {
  const keys = Array.from({ length: 100 }, freshKey);
  const subscribers = await Promise.all(keys.map((key) => subscribe(key)));
  const written = await writeAll(keys);
  expectNoHoles(written);
  for (const [index, key] of keys.entries()) {
    const ofKey = written.filter((write) => write.key === key);
    expect((await readLog(key)).map(({ revision }) => revision)).toEqual(ofKey.map(({ revision }) => revision));
    expect(JSON.parse(await get(key))).toMatchObject({ value: ofKey.at(-1)?.value, revision: ofKey.at(-1)?.revision });
    expect(plain((await subscribers[index]?.take(ofKey.length)) ?? [])).toEqual(ofKey);
  }
});

it("gives every write a later time than the one before, even within one millisecond", async () => {
  const key = freshKey();
  await writeAll([key]);
  const times = (await readLog(key)).map(({ ts }) => ts);
  expect(new Set(times).size).toBe(times.length);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

it("continues to count revisions after the store was evicted", async () => {
  const key = freshKey();
  const before = await set(key, 1);
  await evictStore();
  const after = await set(key, 2);
  expect(after.revision).toBe(before.revision + 1);
  expect(after.ts).toBeGreaterThan(before.ts);
});
