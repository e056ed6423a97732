// JSON in the dashboard: every digit survives parsing, printing, and the way to memX and back.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Exact, exactCodec } from "../../dashboard/src/json/codec.ts";
import { compact, find, format, JsonError, parse, placeOf } from "../../dashboard/src/json/exact.ts";

const EXACT =
  '{"a":12345678901234567890,"b":1.0,"c":-0.0,"d":1e2,"e":0.10000000000000000000001,"f":[9007199254740993]}';

describe("parse", () => {
  it("keeps every digit, in one line and over several", () => {
    expect(compact(parse(EXACT))).toBe(EXACT);
    expect(compact(parse(format(parse(EXACT))))).toBe(EXACT);
  });

  it("prints any JSON so that it means the same", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.parse(compact(parse(text)))).toEqual(JSON.parse(text));
        expect(JSON.parse(format(parse(text)))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("accepts exactly what JSON.parse accepts, but for what memX refuses", () => {
    const pieces = fc.constantFrom(...'{}[],:"\\0123.eE+-tfnu \n'.split(""), "true", "null", '"a"', "1.5", "\\u00e9");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        try {
          parse(text);
          expect(isJson, text).toBe(true);
        } catch (error) {
          if (!(error instanceof JsonError)) throw error;
          if (isJson) expect(error.message, text).toMatch(/twice|surrogate|64-bit/);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['{"a":1,}', 7, /double quotes/],
    ['{"a" 1}', 5, /colon/],
    ["[1 2]", 3, /comma/],
    ['{"a":1,"a":2}', 7, /twice/],
    ['"\\ud800"', 0, /surrogate/],
    ["1e400", 0, /64-bit/],
    ['{"a":"line\nbreak"}', 5, /escape|line break/],
    ['["open', 1, /does not end/],
    ["{} x", 3, /nothing after/],
    ["", 0, /too early/],
    [`${"[".repeat(65)}${"]".repeat(65)}`, 64, /64 levels/],
  ])("says where %j goes wrong", (text, at, message) => {
    const thrown = (() => {
      try {
        parse(text);
      } catch (error) {
        return error as JsonError;
      }
      throw new Error("accepted");
    })();
    expect(thrown.at).toBe(at);
    expect(thrown.message).toMatch(message);
  });
});

it("finds the place that a JSON Pointer names, and the closest one if there is none", () => {
  const text = format(parse('{"a/b":[1,{"~":"x"}],"c":2}'));
  const root = parse(text);
  const at = (pointer: string) => {
    const { start, end } = find(root, pointer);
    return text.slice(start, end);
  };
  expect(at("/a~1b/1/~0")).toBe('"x"');
  expect(at("/a~1b/0")).toBe("1");
  expect(at("/c/deeper")).toBe("2");
  expect(at("")).toBe(text);
  expect(placeOf(text, find(root, "/c").start)).toEqual({ line: 8, column: 8 });
});

describe("the codec", () => {
  const entry = `{"value":${EXACT},"ts":1.5,"revision":7,"by":"value"}`;
  const textOf = (value: unknown) => (value as Exact).text;

  it("keeps values and schemas as their text, wherever they are", () => {
    const page = exactCodec.parse(
      `{"changes":[{"event":"value","key":"value","value":${EXACT}},{"event":"schema","schema":{"const":1.0}}],"revision":2}`,
    ) as {
      changes: { key?: string; value?: unknown; schema?: unknown }[];
    };
    expect(page.changes[0]?.key).toBe("value");
    expect(textOf(page.changes[0]?.value)).toBe(EXACT);
    expect(textOf(page.changes[1]?.schema)).toBe('{"const":1.0}');
    const { entries } = exactCodec.parse(`{"entries":[${entry}, null],"revision":9}`) as {
      entries: ({ value: unknown; by: string } | null)[];
    };
    expect(textOf(entries[0]?.value)).toBe(EXACT);
    expect(entries[0]?.by).toBe("value");
    expect(entries[1]).toBeNull();
    expect(exactCodec.parse("null")).toBeNull();
    expect(() => exactCodec.parse("<html>")).toThrow();
  });

  it("sends the text itself", () => {
    const body = { key: 'a"b', value: new Exact(EXACT), nested: [new Exact("1.0")] };
    expect(exactCodec.stringify(body)).toBe(`{"key":"a\\"b","value":${EXACT},"nested":[1.0]}`);
  });

  it("is the identity for any JSON, with any white space", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const read = exactCodec.parse(`{"value": ${text} ,"revision":1}`) as { value: Exact; revision: number };
        expect(read.value.text).toBe(text);
        expect(read.revision).toBe(1);
        expect(exactCodec.stringify({ value: read.value })).toBe(`{"value":${text}}`);
      }),
    );
  });
});
