import { describe, expect, it } from "vitest";
import { applyPatch } from "../../memory/patch/apply-patch.ts";
import { jsonText } from "../support/json-texts.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const append = (value: string | null, path: string, items: string, limit?: number) =>
  applyPatch(value, { kind: "append", path, items, ...(limit === undefined ? {} : { limit }) });
const patched = (text: string) => ({ outcome: "patched", text });
const refused = (code: string, detail: string) => ({ outcome: "refused", code, detail });

describe("append keeps every item exactly:", () => {
  it.each<
    [title: string, value: string | null, path: string, items: string, limit: number | undefined, result: string]
  >([
    ["to the whole value", "[1.0]", "", "[2.0,-0.0]", undefined, "[1.0,2.0,-0.0]"],
    ["to a key that does not exist", null, "", "[1.0]", undefined, "[1.0]"],
    ["to a member, if the key does not exist", null, "/a/b", "[1]", undefined, '{"a":{"b":[1]}}'],
    ["to a missing member", '{"x": 1.0}', "/a", '[{"n" : 1.0}]', undefined, '{"x":1.0,"a":[{"n" : 1.0}]}'],
    ["no items", "[1]", "", "[ ]", undefined, "[1]"],
    ["no items to a key that does not exist", null, "", "[]", undefined, "[]"],
    ["an array as one item", "[]", "", "[[1,2]]", undefined, "[[1,2]]"],
    ["with a limit of the whole result", "[1,2,3]", "", "[4]", 2, "[3,4]"],
    ["with a limit below the number of new items", "[1]", "", "[2,3,4]", 2, "[3,4]"],
    ["with a limit that is not reached", "[1]", "", "[2]", 2, "[1,2]"],
    ["no items, with a limit that shortens the array", "[1,2,3]", "", "[]", 1, "[3]"],
    ["to an item of an array", "[[1]]", "/0", "[2]", undefined, "[[1,2]]"],
    ["to a new item of an array", "[[1]]", "/-", "[2]", undefined, "[[1],[2]]"],
    ["to __proto__", "{}", "/__proto__", "[1]", undefined, '{"__proto__":[1]}'],
  ])("%s", (_title, value, path, items, limit, result) => {
    expect(append(value, path, items, limit)).toEqual(patched(result));
  });
});

describe("append refuses:", () => {
  it.each<
    [title: string, value: string, path: string, items: string, limit: number | undefined, code: string, detail: string]
  >([
    [
      "an object",
      '{"a":{"secret":1}}',
      "/a",
      "[1]",
      undefined,
      "conflict",
      "Append /a: The value at this path is not an array.",
    ],
    ["null", '{"a":null}', "/a", "[1]", undefined, "conflict", "Append /a: The value at this path is not an array."],
    ["a string", '"secret"', "", "[1]", undefined, "conflict", 'Append "": The value at this path is not an array.'],
    [
      "items that are not an array",
      "[]",
      "",
      '{"a":1}',
      undefined,
      "invalid_request",
      'Append "": "items" must be an array.',
    ],
    ["a limit of 0", "[1]", "", "[2]", 0, "invalid_request", 'Append "": "limit" must be at least 1.'],
    [
      "a limit that is not a number",
      "[1]",
      "",
      "[2]",
      Number.NaN,
      "invalid_request",
      'Append "": "limit" must be at least 1.',
    ],
    [
      "a path that is not a JSON Pointer",
      "[]",
      "a",
      "[1]",
      undefined,
      "invalid_request",
      'Append a: A path must be a JSON Pointer: empty, or starting with "/".',
    ],
  ])("%s", (_title, value, path, items, limit, code, detail) => {
    expect(append(value, path, items, limit)).toEqual(refused(code, detail));
  });
});

it("append changes no character of any item", { tags: ["long"] }, () => {
  const list = fc.array(jsonText, { maxLength: 5 });
  fc.assert(
    fc.property(list, list, fc.option(fc.integer({ min: 1, max: 8 })), (old, added, limit) => {
      const all = [...old, ...added];
      const kept = limit === null ? all : all.slice(Math.max(0, all.length - limit));
      expect(append(`[${old}]`, "", `[ ${added.join(" , ")} ]`, limit ?? undefined)).toEqual(patched(`[${kept}]`));
    }),
    { numRuns: runs(1_000) },
  );
});
