// How long an answer about an API key is believed: with a clock of the test's own, and a source that answers as it is told.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import type { Access } from "../../memory/access/access.ts";
import { cachedAccess } from "../../memory/access/cached-access.ts";
import { createPrincipal } from "../../memory/access/principal.ts";

const MINUTE = 60_000;

function setUp() {
  let nowMs = 1_795_416_272_000;
  const good = new Set<string>();
  const asked: string[][] = [];
  const state = { down: false };
  const principal = createPrincipal({ userId: "a1b2c3d4", read: ["*"], write: [] });
  const source: Access = {
    async find(keyHashes) {
      asked.push([...keyHashes]);
      const found = keyHashes.filter((keyHash) => good.has(keyHash)).map((keyHash) => [keyHash, principal] as const);
      if (state.down) throw new Error("down");
      return new Map(found);
    },
  };
  const access = cachedAccess(source, { acceptedMs: MINUTE, now: () => nowMs });
  return {
    state,
    good,
    asked,
    source,
    access,
    wait: (ms: number) => {
      nowMs += ms;
    },
    isGood: async (keyHash: string) => (await access.find([keyHash])).has(keyHash),
  };
}

describe("an API key that is good", () => {
  it("is asked for once in the time for which it is believed", async () => {
    const { good, asked, wait, isGood } = setUp();
    good.add("k");
    for (let second = 0; second < 50; second++) {
      expect(await isGood("k")).toBe(true);
      wait(999);
    }
    expect(asked).toEqual([["k"]]);
  });

  it("is refused a minute after it was revoked, at the latest", async () => {
    const { good, wait, isGood } = setUp();
    good.add("k");
    expect(await isGood("k")).toBe(true);
    good.delete("k");
    wait(MINUTE);
    expect(await isGood("k")).toBe(false);
  });

  it("is not believed for longer because the clock has gone back, and neither is a refusal", async () => {
    const { good, wait, isGood } = setUp();
    good.add("k");
    expect([await isGood("k"), await isGood("x")]).toEqual([true, false]);
    wait(-60 * MINUTE);
    good.delete("k");
    good.add("x");
    expect([await isGood("k"), await isGood("x")]).toEqual([false, true]);
  });

  it("is asked for again by one of many that come at once, before it expires", async () => {
    const { good, asked, wait, isGood } = setUp();
    good.add("k");
    await isGood("k");
    wait(MINUTE - 5_000);
    await Promise.all(Array.from({ length: 50 }, () => isGood("k")));
    expect(asked).toHaveLength(2);
  });

  it("works on for five minutes when nobody can be asked, and then no longer", async () => {
    const { state, good, wait, isGood } = setUp();
    good.add("k");
    await isGood("k");
    state.down = true;
    for (let waitedMs = 0; waitedMs + 1_000 < LIMITS.accessOutageMs; waitedMs += 1_000) {
      wait(1_000);
      expect(await isGood("k")).toBe(true);
    }
    wait(1_000);
    await expect(isGood("k")).rejects.toThrow("down");
    state.down = false;
    expect(await isGood("k")).toBe(true);
  });

  it("does not ask for every call in an outage", async () => {
    const { state, good, asked, wait, isGood } = setUp();
    good.add("k");
    await isGood("k");
    state.down = true;
    wait(MINUTE);
    for (let n = 0; n < 1_000; n++) {
      wait(10);
      await isGood("k");
    }
    expect(asked.length).toBeLessThan(8);
  });

  it("is not believed past its minute by whoever asks to be sure, even in an outage", async () => {
    const { state, good, wait, access, isGood } = setUp();
    good.add("k");
    await isGood("k");
    state.down = true;
    wait(MINUTE);
    expect(await isGood("k")).toBe(true);
    await expect(access.find(["k"], { evenInOutage: false })).rejects.toThrow("down");
  });

  it("is not made good again by an answer that was overtaken", async () => {
    const { good, source, wait, access, isGood } = setUp();
    good.add("k");
    const { find } = source;
    const late = Promise.withResolvers<void>();
    source.find = async (keyHashes) => {
      const answer = await find(keyHashes);
      await late.promise;
      return answer;
    };
    const first = access.find(["k"]);
    source.find = find;
    wait(1);
    good.delete("k");
    expect(await isGood("k")).toBe(false);
    late.resolve();
    await first;
    expect(await isGood("k")).toBe(false);
  });

  it("is remembered however many others are made up", async () => {
    const { good, asked, isGood } = setUp();
    good.add("k");
    await isGood("k");
    for (let n = 0; n <= LIMITS.maxKnownApiKeys; n++) await isGood(`made up ${n}`);
    asked.length = 0;
    expect(await isGood("k")).toBe(true);
    expect(asked).toEqual([]);
  });
});

describe("an API key that nobody knows", () => {
  it("is refused for ten seconds without asking, and good right after if it has become so", async () => {
    const { good, asked, wait, isGood } = setUp();
    expect(await isGood("k")).toBe(false);
    good.add("k");
    wait(LIMITS.refusalMs - 1);
    expect(await isGood("k")).toBe(false);
    expect(asked).toHaveLength(1);
    wait(1);
    expect(await isGood("k")).toBe(true);
  });

  it("is not refused but put off when nobody can be asked", async () => {
    const { state, wait, isGood } = setUp();
    expect(await isGood("known to be bad")).toBe(false);
    state.down = true;
    await expect(isGood("k")).rejects.toThrow("down");
    wait(LIMITS.refusalMs);
    await expect(isGood("known to be bad")).rejects.toThrow("down");
  });
});

it("asks for many at once, and only for those that it does not know", async () => {
  const { good, asked, access } = setUp();
  good.add("a").add("b");
  await access.find(["a"]);
  expect([...(await access.find(["a", "b", "c"])).keys()]).toEqual(["a", "b"]);
  expect(asked).toEqual([["a"], ["b", "c"]]);
});

it("answers for more keys at once than it remembers", async () => {
  const { good, access } = setUp();
  const many = Array.from({ length: LIMITS.maxKnownApiKeys + 10 }, (_, n) => `k${n}`);
  for (const keyHash of many) good.add(keyHash);
  await access.find(many.slice(0, 5));
  expect((await access.find(many)).size).toBe(many.length);
});
