// The count of calls per API key that memX keeps where no platform does: exact in ordinary use, and of fixed size.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { hashApiKey } from "../../memory/access/access.ts";
import { CallCounter } from "../../worker/request/call-counter.ts";

const { callsPerPeriod, callPeriodSeconds } = LIMITS;
const PERIOD_MS = callPeriodSeconds * 1000;
/** The start of a period. */
const START_MS = 1_790_000_000_000;

const allowed = (counter: CallCounter, hash: string, calls: number, nowMs = START_MS) => {
  let count = 0;
  for (let n = 0; n < calls; n++) if (counter.count(hash, callsPerPeriod, nowMs)) count++;
  return count;
};

describe("the count of calls", () => {
  it("allows three hundred API keys exactly as many calls as the limit says, and again in the next period", async () => {
    const counter = new CallCounter(PERIOD_MS);
    const hashes = await Promise.all(Array.from({ length: 300 }, (_, n) => hashApiKey(`key-${n}`)));
    for (const nowMs of [START_MS, START_MS + PERIOD_MS]) {
      expect(hashes.map((hash) => allowed(counter, hash, callsPerPeriod + 1, nowMs))).toEqual(
        hashes.map(() => callsPerPeriod),
      );
    }
  });

  it("ends with its period, also if the clock goes back", async () => {
    const counter = new CallCounter(PERIOD_MS);
    const hash = await hashApiKey("a");
    expect(allowed(counter, hash, callsPerPeriod)).toBe(callsPerPeriod);
    expect(allowed(counter, hash, 1, START_MS + PERIOD_MS - 1)).toBe(0);
    expect(allowed(counter, hash, callsPerPeriod, START_MS + PERIOD_MS)).toBe(callsPerPeriod);
    expect(allowed(counter, hash, 1, START_MS - PERIOD_MS)).toBe(1);
  });

  it("neither forgets a busy API key nor refuses a calm one while clients invent 100,000 keys", async () => {
    const counter = new CallCounter(PERIOD_MS);
    const [busy, calm] = await Promise.all([hashApiKey("busy"), hashApiKey("calm")]);
    expect(allowed(counter, busy, callsPerPeriod)).toBe(callsPerPeriod);
    let refused = 0;
    for (let n = 0; n < 100_000; n++) if (allowed(counter, await hashApiKey(`invented-${n}`), 1) === 0) refused++;
    // None of these shares all its counters with the busy key.
    expect(refused).toBe(0);
    expect(allowed(counter, busy, 1)).toBe(0);
    const calls = allowed(counter, calm, callsPerPeriod);
    expect(calls).toBeLessThanOrEqual(callsPerPeriod);
    expect(calls).toBeGreaterThan(0.99 * callsPerPeriod);
  });
});
