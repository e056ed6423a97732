import { describe, expect, it } from "vitest";
import { applyPatch } from "../../memory/patch/apply-patch.ts";
import { ModelRefusal, patchMeaning } from "../support/json-patch-model.ts";
import { canonical, jsonText, name, read } from "../support/json-texts.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const patch = (value: string | null, operations: string) => applyPatch(value, { kind: "patch", text: operations });
const refused = (code: string, detail: string) => ({ outcome: "refused", code, detail });

describe("a JSON Patch gives the results of the appendix of RFC 6902:", () => {
  it.each([
    ["A.1", '{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"foo":"bar","baz":"qux"}'],
    ["A.2", '{"foo":["bar","baz"]}', '[{"op":"add","path":"/foo/1","value":"qux"}]', '{"foo":["bar","qux","baz"]}'],
    ["A.3", '{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'],
    ["A.4", '{"foo":["bar","qux","baz"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["bar","baz"]}'],
    ["A.5", '{"baz":"qux","foo":"bar"}', '[{"op":"replace","path":"/baz","value":"boo"}]', '{"baz":"boo","foo":"bar"}'],
    [
      "A.6",
      '{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}',
      '[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]',
      '{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}',
    ],
    [
      "A.7",
      '{"foo":["all","grass","cows","eat"]}',
      '[{"op":"move","from":"/foo/1","path":"/foo/3"}]',
      '{"foo":["all","cows","eat","grass"]}',
    ],
    [
      "A.8",
      '{"baz":"qux","foo":["a",2,"c"]}',
      '[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]',
      '{"baz":"qux","foo":["a",2,"c"]}',
    ],
    [
      "A.10",
      '{"foo":"bar"}',
      '[{"op":"add","path":"/child","value":{"grandchild":{}}}]',
      '{"foo":"bar","child":{"grandchild":{}}}',
    ],
    ["A.11", '{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux","xyz":123}]', '{"foo":"bar","baz":"qux"}'],
    ["A.14", '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":10}]', '{"/":9,"~1":10}'],
    [
      "A.16",
      '{"foo":["bar"]}',
      '[{"op":"add","path":"/foo/-","value":["abc","def"]}]',
      '{"foo":["bar",["abc","def"]]}',
    ],
  ])("%s", (_section, value, operations, result) => {
    expect(patch(value, operations)).toEqual({ outcome: "patched", text: result });
  });

  it.each([
    ["A.9", '{"baz":"qux"}', '[{"op":"test","path":"/baz","value":"bar"}]', "conflict"],
    ["A.12", '{"foo":"bar"}', '[{"op":"add","path":"/baz/bat","value":"qux"}]', "conflict"],
    // parseJsonText refuses A.13, which has a duplicate name in an operation.
    ["A.15", '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":"10"}]', "conflict"],
  ])("%s", (_section, value, operations, code) => {
    expect(patch(value, operations)).toMatchObject({ outcome: "refused", code });
  });
});

describe("a JSON Patch keeps everything else exactly:", () => {
  it.each([
    ["an empty patch changes no character", ' {"a" : 1.0}'.trim(), "[]", '{"a" : 1.0}'],
    ["digits", "[1.0,-0.0]", '[{"op":"add","path":"/1","value":9007199254740993}]', "[1.0,9007199254740993,-0.0]"],
    ["digits of a copy", '{"a":{"n":1.0}}', '[{"op":"copy","from":"/a","path":"/b"}]', '{"a":{"n":1.0},"b":{"n":1.0}}'],
    ["order of names", '{"2":0,"1":0}', '[{"op":"replace","path":"/2","value":1}]', '{"2":1,"1":0}'],
    [
      "an addition in place of a member",
      '{"a":1,"b":2}',
      '[{"op":"add","path":"/a","value":null}]',
      '{"a":null,"b":2}',
    ],
    ["an empty name", "{}", '[{"op":"add","path":"/","value":1}]', '{"":1}'],
    ["escaped names", '{"a/b":1,"m~n":2}', '[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"}]', "{}"],
    ["an addition to the end, by index", "[1]", '[{"op":"add","path":"/1","value":2}]', "[1,2]"],
    [
      "an index as a property name",
      '{"0":1}',
      '[{"op":"add","path":"/01","value":2},{"op":"remove","path":"/0"}]',
      '{"01":2}',
    ],
    ["the whole value", "[1]", '[{"op":"replace","path":"","value":{"a":1}}]', '{"a":1}'],
    ["the whole value, after its removal", "1", '[{"op":"remove","path":""},{"op":"add","path":"","value":2}]', "2"],
    [
      "the whole value of a key that does not exist",
      null,
      '[{"op":"add","path":"","value":{}},{"op":"add","path":"/a","value":1}]',
      '{"a":1}',
    ],
    [
      "a copy of the whole value into a part",
      '{"a":1}',
      '[{"op":"copy","from":"","path":"/b"}]',
      '{"a":1,"b":{"a":1}}',
    ],
    ["a move of a part to the whole value", '{"a":[1]}', '[{"op":"move","from":"/a","path":""}]', "[1]"],
    ["a move to the same place", "[1,2,3]", '[{"op":"move","from":"/1","path":"/1"}]', "[1,2,3]"],
    [
      "a copy that shares nothing with its source",
      '{"a":{"x":[1]}}',
      '[{"op":"test","path":"/a/x/0","value":1},{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/b/x/-","value":2},{"op":"add","path":"/a/x/0","value":0}]',
      '{"a":{"x":[0,1]},"b":{"x":[1,2]}}',
    ],
  ])("%s", (_title, value, operations, result) => {
    expect(patch(value, operations)).toEqual({ outcome: "patched", text: result });
  });
});

describe("a test holds for equal values:", () => {
  it.each([
    ["1.0", "1"],
    ["1e2", "100"],
    ["100", "1E+2"],
    ["-0.0", "0"],
    ["0e9999999", "0"],
    ["120e-2", "1.2"],
    ['"\\u0061\\/"', '"a/"'],
    ['{"a":1,"b":[1.0]}', '{ "b" : [ 1 ], "a" : 1e0 }'],
    ["[ ]", "[]"],
    ["null", "null"],
  ])("%s and %s", (value, other) => {
    expect(patch(value, `[{"op":"test","path":"","value":${other}}]`).outcome).toBe("patched");
    expect(patch(`[${value}]`, `[{"op":"test","path":"/0","value":${other}}]`).outcome).toBe("patched");
  });
});

describe("a test fails for different values:", () => {
  it.each([
    ["9007199254740993", "9007199254740992"],
    ["1", "-1"],
    ["1", "10"],
    ["1e-400", "0"],
    ["1e-99999999999999999998", "1e-99999999999999999999"],
    ["0.1", "0.1000000000000000055511151231257827"],
    ["1", '"1"'],
    ["0", "false"],
    ["null", "false"],
    ["[]", "{}"],
    ["{}", '""'],
    ["[1,2]", "[2,1]"],
    ["[1]", "[1,1]"],
    ['{"a":1}', '{"a":1,"b":1}'],
    ['{"a":1,"b":1}', '{"a":1}'],
    ['{"a":1}', '{"b":1}'],
    ['{"a":null}', '{"b":null}'],
    ['"a"', '"A"'],
    ["{}", '{"__proto__":{}}'],
  ])("%s and %s", (value, other) => {
    expect(patch(value, `[{"op":"test","path":"","value":${other}}]`)).toEqual(
      refused("conflict", 'Operation 1 (test ""): The test failed.'),
    );
  });
});

describe("an invalid JSON Patch is refused with `invalid_request`, whatever the value:", () => {
  it.each([
    ["not an array", '{"op":"add"}', "A JSON Patch must be an array of operations."],
    ["not an object", "[1]", "Operation 1: Must be an object."],
    ["no op", '[{"path":""}]', 'Operation 1: "op" must be a string.'],
    ["an op of another type", '[{"op":1,"path":""}]', 'Operation 1: "op" must be a string.'],
    ["no path", '[{"op":"remove"}]', 'Operation 1: "path" must be a string.'],
    ["no from in a move", '[{"op":"move","path":"/a"}]', 'Operation 1: "from" must be a string.'],
    ["no from in a copy", '[{"op":"copy","path":"/a"}]', 'Operation 1: "from" must be a string.'],
    ["no value", '[{"op":"add","path":"/a"}]', 'Operation 1: "value" is missing.'],
    ["no value in a replace", '[{"op":"replace","path":"/a"}]', 'Operation 1: "value" is missing.'],
    ["no value in a test", '[{"op":"test","path":"/a"}]', 'Operation 1: "value" is missing.'],
    [
      "an unknown op",
      '[{"op":"constructor","path":""}]',
      'Operation 1: "op" must be add, remove, replace, move, copy, or test.',
    ],
    [
      "a path that is not a JSON Pointer",
      '[{"op":"remove","path":"a"}]',
      'Operation 1: A path must be a JSON Pointer: empty, or starting with "/".',
    ],
    [
      "an invalid escape",
      '[{"op":"remove","path":"/a~2"}]',
      'Operation 1: In a JSON Pointer, write "~" as "~0", and "/" in a name as "~1".',
    ],
    [
      "an invalid escape at the end",
      '[{"op":"copy","path":"/a","from":"/~"}]',
      'Operation 1: In a JSON Pointer, write "~" as "~0", and "/" in a name as "~1".',
    ],
    [
      "a move of a value into itself",
      '[{"op":"move","from":"/a","path":"/a/b"}]',
      "Operation 1: Must not move a value into itself.",
    ],
    [
      "an invalid operation after one that would fail",
      '[{"op":"test","path":"/none","value":1},{"op":"nope","path":""}]',
      'Operation 2: "op" must be add, remove, replace, move, copy, or test.',
    ],
    [
      "a path of more than 64 levels",
      `[{"op":"remove","path":"${"/a".repeat(65)}"}]`,
      "Operation 1: A path must not have more than 64 levels.",
    ],
    ["a removal of the whole value", '[{"op":"remove","path":""}]', "A patch must not remove the whole value."],
  ])("%s", (_title, operations, detail) => {
    expect(patch('{"a":{"b":"secret"}}', operations)).toEqual(refused("invalid_request", detail));
  });
});

describe("a JSON Patch is refused with `conflict` if another value would allow it:", () => {
  const nothing = "No value exists at this path.";
  const scalar = "The path leads into a value that is neither an object nor an array.";
  const noIndex = "The path must lead to an item of the array or to the position after the last item.";
  it.each([
    ["a remove without a value at the path", '{"op":"remove","path":"/none"}', "(remove /none)", nothing],
    ["a replace without a value at the path", '{"op":"replace","path":"/none","value":1}', "(replace /none)", nothing],
    ["a move without a value at from", '{"op":"move","from":"/none","path":"/a"}', "(move /a)", nothing],
    ["a copy without a value at from", '{"op":"copy","from":"/none","path":"/a"}', "(copy /a)", nothing],
    ["a test without a value at the path", '{"op":"test","path":"/none","value":null}', "(test /none)", nothing],
    [
      "an add into a container that does not exist",
      '{"op":"add","path":"/none/x","value":1}',
      "(add /none/x)",
      nothing,
    ],
    ["an add into a scalar", '{"op":"add","path":"/s/x","value":1}', "(add /s/x)", scalar],
    ["an index past the end", '{"op":"add","path":"/l/3","value":1}', "(add /l/3)", noIndex],
    ["a negative index", '{"op":"add","path":"/l/-1","value":1}', "(add /l/-1)", noIndex],
    ["an index with a leading zero", '{"op":"add","path":"/l/01","value":1}', "(add /l/01)", noIndex],
    ["a property name in an array", '{"op":"add","path":"/l/length","value":1}', "(add /l/length)", noIndex],
    ["an index with a fraction", '{"op":"add","path":"/l/1e0","value":1}', "(add /l/1e0)", noIndex],
    ["a remove after the last item", '{"op":"remove","path":"/l/-"}', "(remove /l/-)", nothing],
    ["a replace after the last item", '{"op":"replace","path":"/l/2","value":1}', "(replace /l/2)", nothing],
    [
      "a name that every JavaScript object inherits",
      '{"op":"remove","path":"/toString"}',
      "(remove /toString)",
      nothing,
    ],
    ["a prototype", '{"op":"add","path":"/__proto__/x","value":1}', "(add /__proto__/x)", nothing],
    [
      "a constructor's prototype",
      '{"op":"add","path":"/constructor/prototype/x","value":1}',
      "(add /constructor/prototype/x)",
      nothing,
    ],
  ])("%s", (_title, operation, label, detail) => {
    expect(patch('{"s":"secret","l":[1,2],"a":1}', `[${operation}]`)).toEqual(
      refused("conflict", `Operation 1 ${label}: ${detail}`),
    );
  });

  it("any operation except an add of the whole value, if the key does not exist", () => {
    expect(patch(null, "[]")).toEqual(refused("conflict", "The key does not exist."));
    expect(patch(null, '[{"op":"test","path":"","value":null}]')).toMatchObject({ code: "conflict" });
    expect(patch(null, '[{"op":"add","path":"/a","value":1}]')).toMatchObject({ code: "conflict" });
  });
});

it("a message shows only the beginning of a long path", () => {
  const outcome = patch("{}", `[{"op":"remove","path":"/${"😀".repeat(5_000)}"}]`);
  expect(outcome).toMatchObject({ code: "conflict" });
  if (outcome.outcome === "refused") {
    expect(outcome.detail.length).toBeLessThan(300);
    expect(outcome.detail.isWellFormed()).toBe(true);
  }
});

it("no name is special in a JSON Patch, and prototypes do not change", () => {
  const operations = [
    '{"op":"add","path":"/__proto__","value":{"x":1}}',
    '{"op":"add","path":"/__proto__/y","value":2}',
    '{"op":"add","path":"/constructor","value":{}}',
    '{"op":"add","path":"/constructor/prototype","value":{"z":3}}',
  ];
  expect(patch("{}", `[${operations}]`)).toEqual({
    outcome: "patched",
    text: '{"__proto__":{"x":1,"y":2},"constructor":{"prototype":{"z":3}}}',
  });
  for (const polluted of ["x", "y", "z"]) expect(polluted in {}).toBe(false);
});

const token = fc.oneof(name, fc.constantFrom("0", "1", "2", "3", "-", "01"));
const pointer = fc
  .array(token, { maxLength: 3 })
  .map((tokens) => tokens.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""));
const operation = fc
  .record({
    op: fc.constantFrom("add", "add", "remove", "replace", "move", "copy", "test"),
    path: pointer,
    from: pointer,
    value: jsonText,
  })
  .map(({ op, path, from, value }) => {
    return `{"op":"${op}", "path":${JSON.stringify(path)},"from":${JSON.stringify(from)} ,"value" : ${value}}`;
  });

it("a JSON Patch agrees with a simple model of the RFC, with every digit", { tags: ["long"] }, () => {
  const seen: Record<string, number> = { patched: 0, invalid_request: 0, conflict: 0 };
  fc.assert(
    fc.property(jsonText, fc.array(operation, { maxLength: 4 }), (value, operations) => {
      const text = `[${operations}]`;
      const outcome = patch(value, text);
      let expected: unknown;
      try {
        expected = canonical(patchMeaning(read(value), read(text)));
      } catch (error) {
        if (!(error instanceof ModelRefusal)) throw error;
        expected = error.code;
      }
      const end = outcome.outcome === "patched" ? "patched" : outcome.code;
      seen[end] = (seen[end] ?? 0) + 1;
      expect(outcome.outcome === "patched" ? canonical(read(outcome.text)) : outcome.code).toBe(expected);
    }),
    { numRuns: runs(10_000) },
  );
  // Otherwise the comparison proves little.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(200);
});
