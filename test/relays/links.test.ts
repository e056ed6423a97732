// What a parent hands to its relays: batches, gaps that it says itself, and relays that are slow, fail, or have gone.

import { describe, expect, it } from "vitest";
import { type Forward, type Forwarded, Links } from "../../durable-objects/channel/links.ts";
import { readMetrics } from "../../memory/metrics.ts";
import type { Change } from "../../sdk/protocol.ts";

const change = (revision: number, json = "1"): Change =>
  ({ event: "value", action: "set", key: "a", json, ts: 0, revision, previous: revision - 1 }) as Change;

/** A parent with one relay, whose calls the test answers. */
function parent({ pos = 0, tokens = { relay: "first" } as Record<string, string> } = {}) {
  let cursor = pos;
  let stored: Readonly<Record<string, string>> = tokens;
  const calls: { forward: Forward; answer: (answer: Forwarded) => void; fail: () => void }[] = [];
  const links = new Links({
    tokens,
    store: (next) => {
      stored = next;
    },
    cursor: () => cursor,
    open: () => ({
      forward: (forward) =>
        new Promise((resolve, reject) => {
          calls.push({ forward, answer: resolve, fail: () => reject(new Error("simulated")) });
        }),
    }),
    inTurn: (step) => step(),
    waitUntil: () => {},
    deadline: (call) => call,
    wait: async () => {},
  });
  links.start(pos);
  const settle = () => scheduler.wait(0);
  return {
    links,
    calls,
    stored: () => stored,
    offer(...changes: Change[]) {
      for (const next of changes) {
        cursor = next.revision;
        links.offer(next);
      }
    },
    moveTo(revision: number) {
      cursor = revision;
    },
    async answer(n: number, answer: Forwarded = {}) {
      calls[n]?.answer(answer);
      await settle();
    },
    /** Lets a call fail with all its tries. */
    async fail(n: number) {
      calls[n]?.fail();
      await settle();
      for (let attempt = 1; attempt < 3; attempt++) {
        calls.at(-1)?.fail();
        await settle();
      }
    },
  };
}

const revisionsOf = ({ after, upTo, changes }: Forward) => [after, changes.map(({ revision }) => revision), upTo];

describe("a link", () => {
  it("has four calls under way, and sends the rest in one", async () => {
    const { calls, offer, answer } = parent();
    offer(...[1, 2, 3, 4, 5, 6, 7].map((revision) => change(revision)));
    expect(calls.map(({ forward }) => revisionsOf(forward))).toEqual([
      [0, [1], 1],
      [1, [2], 2],
      [2, [3], 3],
      [3, [4], 4],
    ]);
    await answer(2);
    expect(calls).toHaveLength(5);
    expect(revisionsOf(calls[4]?.forward as Forward)).toEqual([4, [5, 6, 7], 7]);
  });

  it("covers what its node knows to concern no relay, and skips what came before it", async () => {
    const { calls, offer, moveTo, links } = parent({ pos: 10 });
    moveTo(15);
    links.offer(change(10));
    expect(calls).toHaveLength(0);
    offer(change(20));
    expect(revisionsOf(calls[0]?.forward as Forward)).toEqual([10, [20], 20]);
  });

  it("sends at most 256 changes, and 1 Mi characters, in a call", async () => {
    const { calls, offer, answer } = parent();
    offer(...Array.from({ length: 4 + 300 }, (_, n) => change(n + 1)));
    await answer(0);
    expect(calls[4]?.forward.changes).toHaveLength(256);
    expect(calls[4]?.forward.upTo).toBe(260);
    await answer(1);
    expect(revisionsOf(calls[5]?.forward as Forward)).toEqual([
      260,
      Array.from({ length: 44 }, (_, n) => n + 261),
      304,
    ]);
    const large = "x".repeat(400_000);
    offer(...[305, 306, 307, 308, 309, 310].map((revision) => change(revision, large)));
    for (let n = 2; n < 6; n++) await answer(n);
    for (const { forward } of calls.slice(6)) expect(forward.changes.length).toBeLessThanOrEqual(3);
  });

  it("says that there is a gap after a call that failed", async () => {
    const { calls, offer, fail } = parent();
    offer(change(1));
    await fail(0);
    expect(calls.map(({ forward }) => revisionsOf(forward))).toEqual(Array(3).fill([0, [1], 1]));
    offer(change(5));
    expect(revisionsOf(calls[3]?.forward as Forward)).toEqual([4, [5], 5]);
  });

  it("says so without a change when its node asks for it, also if its calls were all under way", async () => {
    const { calls, offer, moveTo, links, answer } = parent();
    offer(...[1, 2, 3, 4, 5].map((revision) => change(revision)));
    moveTo(50);
    links.nudge();
    expect(calls).toHaveLength(4);
    await answer(0);
    expect(revisionsOf(calls[4]?.forward as Forward)).toEqual([50, [], 50]);
  });

  it("drops more than 8 Mi characters that wait, and says that there is a gap", async () => {
    const { calls, offer, answer } = parent();
    const large = "x".repeat(1_000_000);
    offer(...Array.from({ length: 14 }, (_, n) => change(n + 1, large)));
    await answer(0);
    const [after, [first], upTo] = revisionsOf(calls[4]?.forward as Forward) as [number, number[], number];
    expect(upTo).toBe(14);
    expect(after).toBeGreaterThan(4);
    expect(after).toBe((first ?? upTo + 1) - 1);
  });

  it("counts what became of its calls", async () => {
    const count = (name: string, labels = "") =>
      readMetrics().find((row) => row.name === `memx_${name}` && row.labels === labels)?.values[0] ?? 0;
    const counts = () => [
      ...["arrived", "gone", "failed"].map((outcome) => count("relay_forwards", `outcome="${outcome}"`)),
      ...["relays_behind", "relays_dropped"].map((name) => count(name)),
    ];
    const before = counts();
    const { calls, offer, answer, fail } = parent();
    offer(change(1));
    await answer(0);
    // All of its calls are under way as they fail.
    for (let n = 2; n <= 9; n++) {
      offer(change(n));
      if (n % 4 !== 1) continue;
      const tries = calls.length - 4;
      for (let call = tries; call < tries + 4; call++) await fail(call);
    }
    expect(counts().map((count, n) => count - (before[n] as number))).toEqual([1, 0, 8, 8, 1]);
  });

  it("ends after six calls that failed, and is there again when the relay registers", async () => {
    const { calls, offer, fail, stored, links } = parent();
    for (let n = 1; n <= 6; n++) {
      expect(stored()).toEqual({ relay: "first" });
      const { length } = calls;
      offer(change(n));
      await fail(length);
    }
    expect(stored()).toEqual({});
    const { length } = calls;
    offer(change(7));
    expect(calls).toHaveLength(length);
    links.add("relay", "second", 7);
    offer(change(8));
    expect(revisionsOf(calls.at(-1)?.forward as Forward)).toEqual([7, [8], 8]);
  });
});

describe("a relay that has gone", () => {
  it("is removed by the token that it names", async () => {
    const { offer, answer, stored, links } = parent();
    offer(change(1));
    await answer(0, { gone: "first" });
    expect(stored()).toEqual({});
    expect(links.isEmpty()).toBe(true);
  });

  it("stays if it registered again while it said so", async () => {
    const { calls, offer, answer, stored, links } = parent();
    offer(change(1));
    links.add("relay", "second", 1);
    await answer(0, { gone: "first" });
    expect(stored()).toEqual({ relay: "second" });
    offer(change(2));
    expect(revisionsOf(calls[1]?.forward as Forward)).toEqual([1, [2], 2]);
  });
});
