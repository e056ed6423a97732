// The client refuses numbers that make no sense when it is made, instead of giving them to a timer.

import { expect, it } from "vitest";
import { MemX, type MemXOptions } from "../../sdk/typescript/index.ts";
import { readOptions } from "../../sdk/typescript/options.ts";

const TIMES = ["timeoutMs", "pingIntervalMs", "pingTimeoutMs"] as const;
const NO_TIMES = [0, 0.4, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, "10" as unknown as number];

it.each(TIMES.flatMap((name) => NO_TIMES.map((ms) => [name, ms] as const)))("refuses %s: %s", (name, ms) => {
  const make = () => new MemX({ [name]: ms } satisfies MemXOptions);
  expect(make).toThrow(TypeError);
  expect(make).toThrow(`\`${name}\` must be a number of milliseconds from 1 to 2147483647, not ${ms}.`);
});

it.each(TIMES)("takes any other number for %s, as whole milliseconds", (name) => {
  for (const [ms, whole] of [
    [1, 1],
    [10 / 3, 3],
    [2 ** 31 - 1, 2 ** 31 - 1],
  ] as const)
    expect(readOptions({ [name]: ms })[name]).toBe(whole);
});

it.each([-1, 1.5, Number.NaN, "3" as unknown as number])("refuses %s retries", (retries) => {
  expect(() => new MemX({ retries })).toThrow(TypeError);
});

it.each([0, 3, Number.POSITIVE_INFINITY])("takes %d retries", (retries) => {
  expect(readOptions({ retries }).retries).toBe(retries);
});
