import { describe, expect, it } from "vitest";
import { applyPatch } from "../../memory/patch/apply-patch.ts";
import { canonical, isObject, jsonText, type Meaning, read } from "../support/json-texts.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const merge = (value: string | null, text: string) => applyPatch(value, { kind: "merge", text });

describe("a merge patch gives the results of the appendix of RFC 7396:", () => {
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', "{}"],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', "null", "null"],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
    ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ])("%s and %s", (value, patch, result) => {
    expect(merge(value, patch)).toEqual({ outcome: "patched", text: result });
  });
});

describe("a merge patch keeps exactly:", () => {
  it.each([
    [
      "the digits of both",
      '{"a": 9007199254740993, "b": 1.0}',
      '{"c": -0.0}',
      '{"a":9007199254740993,"b":1.0,"c":-0.0}',
    ],
    ["untouched values and their white space", '{"a": { "x" : [ 1.0 ] }}', '{"b":1}', '{"a":{ "x" : [ 1.0 ] },"b":1}'],
    ["the order of members", '{"2":0,"1":0}', '{"1":1,"0":1}', '{"2":0,"1":1,"0":1}'],
    ["nulls in arrays", "{}", '{"a":[null,{"b":null}]}', '{"a":[null,{"b":null}]}'],
    ["the new members, if the key does not exist", null, '{"a":{"b":null,"c":1}}', '{"a":{"c":1}}'],
    ["a null of the value", '{"a":null}', '{"b":1}', '{"a":null,"b":1}'],
    ["a name, however it is escaped", '{"\\u0061":1}', '{"a":2}', '{"a":2}'],
    ["an empty object that replaces a scalar", '{"a":1}', '{"a":{}}', '{"a":{}}'],
  ])("%s", (_title, value, patch, result) => {
    expect(merge(value, patch)).toEqual({ outcome: "patched", text: result });
  });
});

it("a merge patch agrees with the pseudocode of the RFC, with every digit", { tags: ["long"] }, () => {
  fc.assert(
    fc.property(fc.option(jsonText), jsonText, (value, patch) => {
      const expected = mergePatch(value === null ? undefined : read(value), read(patch));
      const outcome = merge(value, patch);
      expect(outcome).toEqual({ outcome: "patched", text: expect.any(String) });
      if (outcome.outcome === "patched") expect(canonical(read(outcome.text))).toBe(canonical(expected));
    }),
    { numRuns: runs(2_000) },
  );
});

/** The pseudocode of RFC 7396 §2. */
function mergePatch(target: Meaning | undefined, patch: Meaning): Meaning {
  if (!isObject(patch)) return patch;
  const result: { [name: string]: Meaning } = isObject(target) ? target : Object.create(null);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatch(result[name], value);
  }
  return result;
}
