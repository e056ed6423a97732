// Mirrors of many keys, while callers change 200 of them a second and memX is killed and started again. At every moment a mirror is
// equal to what memX held at the mirror's own revision: one straight to memX, and one through a network that breaks.

import { expect, it, onTestFinished } from "vitest";
import { MemX, type Mirror } from "../../sdk/typescript/index.ts";
import { amount } from "../support/long-runs.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { createRandom } from "../support/random.ts";
import { startRoughProxy } from "./support/rough-proxy.ts";
import { ENGINES, startSelfHosted } from "./support/self-hosted.ts";

const KEYS = amount(2_000, 50_000);
const KILLS = amount(2, 10);
const BATCH = 100;
/** 10 changes each. */
const TICK_MS = 50;
const CHANGES_PER_TICK = 10;
const BETWEEN_KILLS_MS = 4_000;
const SNAPSHOT_MS = 400;
/** About a second of changes, so that a broken connection often comes back too late for the log. */
const LOG_LENGTH = "200";

const apiKey = "key-of-mirrors";
const MEMX_ACL = JSON.stringify({ [apiKey]: { read: ["*"], write: ["*"] } });

type Change = { readonly key: string; readonly revision: number; readonly isSet: boolean };
/** What a mirror held: its revision, and the revision of each entry. */
type Snapshot = { readonly revision: number; readonly held: ReadonlyMap<string, number> };

it.each(ENGINES)(`equal memX on %s, with ${KEYS} keys and ${KILLS} kills`, { tags: ["long"] }, async (engine) => {
  const memx = await startSelfHosted(engine, { MEMX_ACL, LOG_LENGTH, RATE_LIMIT: "0" });
  onTestFinished(() => memx.close());
  const random = createRandom(engine);
  const proxy = await startRoughProxy(memx.url, { random, meanMs: 3_000 });
  onTestFinished(() => proxy.close());
  const open = (baseUrl: string) => {
    const client = new MemX({ apiKey, baseUrl, retries: 1_000, pingIntervalMs: 500, pingTimeoutMs: 2_000 });
    onTestFinished(() => client.close());
    return client;
  };
  const writer = open(memx.url);
  const log: Change[] = [];
  const keys = Array.from({ length: KEYS }, (_, n) => `m:${n}`);
  for (let start = 0; start < KEYS; start += BATCH) {
    const some = keys.slice(start, start + BATCH);
    const { results } = await writer.batch(some.map((key) => ({ op: "set", key, value: "at first" })));
    results.forEach(({ revision }, index) => void log.push({ key: some[index] as string, revision, isSet: true }));
  }
  const mirrors = [await open(memx.url).mirror("m:*"), await open(proxy.url).mirror("m:*")];
  const snapshots = mirrors.map((): Snapshot[] => []);
  const take = () => mirrors.forEach((mirror, index) => void snapshots[index]?.push(snapshotOf(mirror)));

  const writing: Promise<void>[] = [];
  const change = async (n: number) => {
    const key = random.pick(keys);
    if (random.chance(0.2)) {
      const { deleted, revision } = await writer.delete(key);
      if (deleted) log.push({ key, revision, isSet: false });
    } else log.push({ key, revision: (await writer.set(key, n)).revision, isSet: true });
  };
  let count = 0;
  const ticks = setInterval(() => {
    for (let n = 0; n < CHANGES_PER_TICK; n++) writing.push(change(count++));
  }, TICK_MS);
  const looks = setInterval(take, SNAPSHOT_MS);
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_KILLS_MS));
      await memx.kill();
      take();
      await memx.start();
    }
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_KILLS_MS));
  } finally {
    clearInterval(ticks);
    clearInterval(looks);
  }
  await Promise.all(writing);
  proxy.calm();
  const last = Math.max(...log.map(({ revision }) => revision));
  const signal = AbortSignal.timeout(LONG_PATIENCE_MS);
  for (const mirror of mirrors) await mirror.at(last, { signal });
  take();

  log.sort((a, b) => a.revision - b.revision);
  for (const taken of snapshots) expect(taken.flatMap((snapshot) => differences(snapshot, log))).toEqual([]);
  // The mirrors moved, and the network did break.
  for (const taken of snapshots) expect(new Set(taken.map(({ revision }) => revision)).size).toBeGreaterThan(KILLS);
  expect(Object.values(proxy.counts).reduce((sum, faults) => sum + faults, 0)).toBeGreaterThan(0);
  // No two changes have the same revision.
  expect(new Set(log.map(({ revision }) => revision)).size).toBe(log.length);
  const stored = new Map<string, number>();
  for await (const { key, revision } of writer.keys({ prefix: "m:" })) stored.set(key, revision);
  for (const mirror of mirrors) expect(snapshotOf(mirror).held).toEqual(stored);
});

function snapshotOf(mirror: Mirror): Snapshot {
  const held = new Map(Array.from(mirror, ([key, { revision }]) => [key, revision]));
  return { revision: mirror.revision, held };
}

/** What a mirror held too much, too little, or in another version, by a log in its order. */
function differences({ revision, held }: Snapshot, log: readonly Change[]): string[] {
  const expected = new Map<string, number>();
  for (const change of log) {
    if (change.revision > revision) break;
    if (change.isSet) expected.set(change.key, change.revision);
    else expected.delete(change.key);
  }
  const found: string[] = [];
  for (const [key, wanted] of expected) {
    if (held.get(key) !== wanted) found.push(`at ${revision}: ${key} is ${held.get(key)}, not ${wanted}`);
  }
  for (const key of held.keys()) if (!expected.has(key)) found.push(`at ${revision}: ${key} is there`);
  return found;
}
