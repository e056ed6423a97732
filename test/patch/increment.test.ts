import { describe, expect, it } from "vitest";
import { applyPatch } from "../../memory/patch/apply-patch.ts";
import { fraction, sameFraction } from "../support/json-texts.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const increment = (value: string | null, path: string, by: string) =>
  applyPatch(value, { kind: "increment", path, by });
const patched = (text: string) => ({ outcome: "patched", text });
const refused = (code: string, detail: string) => ({ outcome: "refused", code, detail });

describe("increment adds exactly:", () => {
  it.each([
    ["1", "1", "2"],
    ["0.1", "0.2", "0.3"],
    ["9007199254740993", "2", "9007199254740995"],
    ["123456789012345678901234567890", "1", "123456789012345678901234567891"],
    ["-5", "3", "-2"],
    ["-0.05", "0.04", "-0.01"],
    ["1", "-1", "0"],
    ["-0.0", "-0", "0"],
    ["1.5", "0.5", "2"],
    ["1.0", "2.00", "3"],
    ["100", "1e2", "200"],
    ["99", "1", "100"],
    ["0.001", "-1E-3", "0"],
    ["1e20", "1e-20", "100000000000000000000.00000000000000000001"],
    ["1e21", "0", "1000000000000000000000"],
    ["5e-324", "0", `0.${"0".repeat(323)}5`],
    ["1e308", "1", `1${"0".repeat(307)}1`],
  ])("%s and %s", (value, by, sum) => {
    expect(increment(value, "", by)).toEqual(patched(sum));
    expect(increment(by, "", value)).toEqual(patched(sum));
  });
});

describe("increment finds its place:", () => {
  it.each([
    ["the whole value of a key that does not exist", null, "", "1"],
    ["a member, if the key does not exist", null, "/a/b", '{"a":{"b":1}}'],
    ["a member", '{"a":{"b":1.0},"c":1.0}', "/a/b", '{"a":{"b":2},"c":1.0}'],
    ["a missing member", '{"a": { "x":1.0}}', "/a/b", '{"a":{"x":1.0,"b":1}}'],
    ["missing objects on the way", '{"x":[ 1 ]}', "/a/0/~1", '{"x":[ 1 ],"a":{"0":{"/":1}}}'],
    ["an item", "[5,6]", "/1", "[5,7]"],
    ["the position after the last item", "[5]", "/-", "[5,1]"],
    ["the position after the last item, by index", "[5]", "/1", "[5,1]"],
    ["a member of a new item", '{"l":[]}', "/l/-/n", '{"l":[{"n":1}]}'],
    ["__proto__", "{}", "/__proto__/n", '{"__proto__":{"n":1}}'],
    ["an inherited name", "{}", "/constructor", '{"constructor":1}'],
  ])("%s", (_title, value, path, result) => {
    expect(increment(value, path, "1")).toEqual(patched(result));
    expect("n" in {}).toBe(false);
  });
});

describe("increment refuses with `conflict` if another value would allow it:", () => {
  it.each([
    ["a string", '{"a":"secret"}', "/a", "The value at this path is not a number."],
    ["a string of digits", '{"a":"1"}', "/a", "The value at this path is not a number."],
    ["null", '{"a":null}', "/a", "The value at this path is not a number."],
    ["an array", '{"a":[1]}', "/a", "The value at this path is not a number."],
    ["an object", '{"a":{"secret":1}}', "/a", "The value at this path is not a number."],
    [
      "a scalar on the way",
      '{"a":"secret"}',
      "/a/b",
      "The path leads into a value that is neither an object nor an array.",
    ],
    [
      "an index past the end",
      "[1]",
      "/2",
      "The path must lead to an item of the array or to the position after the last item.",
    ],
    [
      "a name in an array",
      "[1]",
      "/a/b",
      "The path must lead to an item of the array or to the position after the last item.",
    ],
  ])("%s", (_title, value, path, detail) => {
    expect(increment(value, path, "1")).toEqual(refused("conflict", `Increment ${path}: ${detail}`));
  });
});

describe("increment refuses with `invalid_request`:", () => {
  const tooLong = "Increment /a: The sum must have at most 400 digits and fit in a 64-bit float.";
  it.each([
    ["a sum above the range of a double", "1.7976931348623157e308", "1e308", tooLong],
    ["a sum below the range of a double", "-1.7976931348623157e308", "-1e308", tooLong],
    ["a sum with too many digits", "1e300", "1e-300", tooLong],
    ["an extremely small number", "1", "1e-999999999999999999", tooLong],
    ["a stored number with too many digits", "1".padEnd(300, "1").concat(".", "1".repeat(101)), "1", tooLong],
    ["a string", "1", '"1"', 'Increment /a: "by" must be a number.'],
    ["null", "1", "null", 'Increment /a: "by" must be a number.'],
  ])("%s", (_title, value, by, detail) => {
    expect(increment(`{"a":${value}}`, "/a", by)).toEqual(refused("invalid_request", detail));
  });

  it("a path that is not a JSON Pointer", () => {
    const detail = 'Increment a: A path must be a JSON Pointer: empty, or starting with "/".';
    expect(increment("{}", "a", "1")).toEqual(refused("invalid_request", detail));
  });

  it("a path of more than 64 levels", () => {
    const tooDeep = "/a".repeat(65);
    expect(increment(null, tooDeep, "1")).toMatchObject({ code: "invalid_request" });
    expect(increment(null, "/a".repeat(64), "1").outcome).toBe("patched");
  });
});

it("increment returns the sum of the exact fractions, whatever the notation of the numbers", { tags: ["long"] }, () => {
  const digits = fc.stringMatching(/^[0-9]{1,30}$/);
  const written = fc
    .tuple(
      fc.constantFrom("", "-"),
      fc.bigInt({ min: 0n, max: 10n ** 40n }),
      fc.option(digits),
      fc.option(fc.tuple(fc.constantFrom("e", "E", "e+", "e-"), fc.integer({ min: 0, max: 60 }))),
    )
    .map(([sign, whole, part, power]) => {
      return `${sign}${whole}${part === null ? "" : `.${part}`}${power === null ? "" : power.join("")}`;
    });
  fc.assert(
    fc.property(written, written, (a, b) => {
      const outcome = increment(a, "", b);
      if (outcome.outcome !== "patched") throw new Error(outcome.detail);
      const [x, y] = [fraction(a), fraction(b)];
      const sum = { over: x.over * y.under + y.over * x.under, under: x.under * y.under };
      expect(sameFraction(fraction(outcome.text), sum)).toBe(true);
      expect(outcome.text).toMatch(/^(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9])$/);
      expect(Number(outcome.text)).toBe(JSON.parse(outcome.text));
    }),
    { numRuns: runs(3_000) },
  );
});
