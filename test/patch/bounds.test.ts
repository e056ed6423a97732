// The largest patches that a body of 1 MiB can carry. Without bounds, each would fill the memory or run for minutes.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { applyPatch } from "../../memory/patch/apply-patch.ts";

const { maxBodyBytes, maxJsonDepth, maxValueBytes } = LIMITS;
const patch = (value: string, operations: readonly string[]) =>
  applyPatch(value, { kind: "patch", text: `[${operations}]` });
const fill = (operation: string) => Array.from({ length: maxBodyBytes / (operation.length + 1) }, () => operation);
const nested = (levels: number, inside = "") => "[".repeat(levels) + inside + "]".repeat(levels);
const refused = (detail: unknown) => ({ outcome: "refused", code: "invalid_request", detail });
const tooComplex = {
  outcome: "refused",
  code: "too_complex",
  detail: "The patch takes too many steps. Use smaller arrays or several patches.",
};
const tooDeep = `The result must not have more than ${maxJsonDepth} levels of nesting.`;

describe("the copies of a patch are bounded:", () => {
  const copies = "The copies of a patch must not have more than 1048576 characters in total.";

  it("refuses a patch whose every operation doubles the value", () => {
    const double = Array.from({ length: 40 }, () => '{"op":"copy","from":"/a","path":"/a/-"}');
    expect(patch('{"a":["x"]}', double)).toEqual(refused(`Operation 18 (copy /a/-): ${copies}`));
  });

  it("refuses a patch that copies a large member again and again, although it removes the copies", () => {
    const again = ['{"op":"copy","from":"/a","path":"/b"}', '{"op":"remove","path":"/b"}'];
    const operations = Array.from({ length: 5 }, () => again).flat();
    expect(patch(`{"a":"${"x".repeat(maxValueBytes)}"}`, operations)).toEqual(
      refused(`Operation 7 (copy /b): ${copies}`),
    );
  });

  it("accepts as many small copies as fit in a body", () => {
    const operations = fill('{"op":"copy","from":"/a","path":"/b"}');
    expect(patch('{"a":[1.0]}', operations)).toEqual({ outcome: "patched", text: '{"a":[1.0],"b":[1.0]}' });
  });
});

describe("the steps of a patch are bounded:", () => {
  const long = `[${"0,".repeat(maxValueBytes / 2 - 1)}0]`;

  it("refuses a patch whose every operation shifts a long array", () => {
    expect(patch(long, fill('{"op":"add","path":"/0","value":1}'))).toEqual(tooComplex);
    expect(patch(long, fill('{"op":"remove","path":"/0"}'))).toEqual(tooComplex);
  });

  it("accepts as many additions to the end of an array as fit in a body", () => {
    const operations = fill('{"op":"add","path":"/-","value":1}');
    expect(patch(long, operations).outcome).toBe("patched");
  });

  it("refuses a patch that reads a long number again and again", () => {
    const value = `{"a":1.${"0".repeat(maxValueBytes)}}`;
    const operations = fill('{"op":"test","path":"/a","value":1}');
    expect(patch(value, operations)).toEqual(tooComplex);
    const few = operations.slice(0, 10);
    expect(patch(`{"a":1e-${"9".repeat(maxValueBytes)}}`, few)).toMatchObject({ code: "conflict" });
  });

  it("accepts a test of a whole value in which every number has another notation", () => {
    const value = `[${"1,".repeat(maxValueBytes / 2 - 1)}1]`;
    expect(patch(value, [`{"op":"test","path":"","value":${value.replaceAll("1", "1e0")}}`]).outcome).toBe("patched");
  });
});

describe("the depth of the result is bounded:", () => {
  const deepest = nested(maxJsonDepth);

  it("accepts the maximum depth", () => {
    expect(applyPatch(deepest, { kind: "patch", text: "[]" })).toEqual({ outcome: "patched", text: deepest });
    expect(applyPatch(null, { kind: "merge", text: `{"a":${nested(63)}}` }).outcome).toBe("patched");
    expect(applyPatch(nested(62, nested(1)), { kind: "append", path: "/0".repeat(61), items: "[[]]" }).outcome).toBe(
      "patched",
    );
  });

  it("refuses one level more, for every kind of patch", () => {
    const member = "/a".repeat(maxJsonDepth - 1);
    expect(patch("[]", [`{"op":"add","path":"/-","value":${deepest}}`])).toEqual(refused(tooDeep));
    expect(applyPatch('{"a":{}}', { kind: "merge", text: `{"a":{"b":${nested(63)}}}` })).toEqual(refused(tooDeep));
    expect(applyPatch(null, { kind: "append", path: member, items: "[[]]" })).toEqual(refused(tooDeep));
    expect(applyPatch(nested(63, "[]"), { kind: "append", path: "/0".repeat(63), items: "[[]]" })).toEqual(
      refused(tooDeep),
    );
  });

  it("refuses a patch that nests deeper with each operation, by moves or by copies", () => {
    const wrap = [
      '{"op":"add","path":"/b","value":{}}',
      '{"op":"move","from":"/a","path":"/b/a"}',
      '{"op":"move","from":"/b","path":"/a"}',
    ];
    const moved = Array.from({ length: 9_000 }, () => wrap).flat();
    expect(patch('{"a":1}', moved)).toEqual(refused(tooDeep));
    const copied = Array.from({ length: 40 }, () => [
      ...Array.from({ length: 50 }, () => wrap).flat(),
      '{"op":"copy","from":"/a","path":"/c"}',
      '{"op":"move","from":"/c","path":"/a"}',
    ]).flat();
    expect(patch('{"a":1}', copied)).toEqual(refused(tooDeep));
  });

  it("accepts a patch that is too deep in between but not in the end", () => {
    const operations = [`{"op":"add","path":"/a/b","value":${nested(63)}}`, '{"op":"remove","path":"/a/b"}'];
    expect(patch('{"a":{}}', operations)).toEqual({ outcome: "patched", text: '{"a":{}}' });
  });
});
