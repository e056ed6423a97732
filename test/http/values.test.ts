// What is written is what is read: the JSON text of values, the names of keys, and the order of writes.

import { describe, expect, it } from "vitest";
import { freshKey, get, getText, post, request, set, setText } from "../support/client.ts";
import fc from "../support/properties.ts";

describe("an answer", () => {
  it("to a write is the original's, with the change's revision and time", async () => {
    const response = await request("POST", "/set", { body: JSON.stringify({ key: freshKey(), value: { x: 1 } }) });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({
      ok: true,
      updated: true,
      revision: expect.any(Number),
      ts: expect.any(Number),
    });
  });

  it("to a read is the original's, with the revision of the write", async () => {
    const key = freshKey();
    const { revision, ts } = await set(key, { x: 1 });
    const response = await request("GET", `/get?key=${encodeURIComponent(key)}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ value: { x: 1 }, ts, revision, created: ts });
  });

  it("to a read of a key that was never written is null", async () => {
    expect(await get(freshKey())).toBe("null");
  });

  it("to a read of a key that holds null is an entry", async () => {
    const key = freshKey();
    const { revision, ts } = await setText(key, "null");
    expect(JSON.parse(await get(key))).toEqual({ value: null, ts, revision, created: ts });
  });
});

describe("the text of a value", () => {
  it.each([
    ["an integer past 2^53", "9007199254740993"],
    ["a fraction of zero", "1.0"],
    ["negative zero", "-0.0"],
    ["a negative zero integer", "-0"],
    ["an exponent", "1E5"],
    ["a signed exponent", "1.50e+007"],
    ["more digits than a double has", "3.14159265358979323846264338327950288419716939937510"],
    ["a number that rounds to zero", "1e-400"],
    ["the largest double", "1.7976931348623157e308"],
    ["an escaped line separator", '"\\u2028"'],
    ["a raw line separator", '"\u2028\u2029"'],
    ["an escaped slash", '"\\/"'],
    ["escaped letters", '"\\u0061\\u00E9\\u00e9"'],
    ["an escaped surrogate pair", '"\\uD83D\\uDE00"'],
    ["escaped control characters in a value", '"\\u0000\\b\\f\\n\\r\\t\\u001f"'],
    ["a byte order mark in a string", '"\ufeff"'],
    ["nothing in a string", '""'],
    ["true", "true"],
    ["false", "false"],
    ["an empty array", "[]"],
    ["an empty object", "{}"],
    ["empty arrays and objects in each other", '[[],{},[[]],{"a":{}},[{}]]'],
    ["white space", '[ 1 ,\t2,\r\n {"a" : \n"b"\t} ]'],
    ["the members' order", '{"b":1,"a":2,"10":3,"9":4}'],
    ["an empty name", '{"":{"":""}}'],
    [
      "names of Object.prototype",
      '{"__proto__":{"x":1},"constructor":{"prototype":1},"hasOwnProperty":0,"toString":""}',
    ],
    ["escaped names of Object.prototype", '{"\\u005f_proto__":[]}'],
    ["the names of a request", '{"key":"other","value":{"value":1}}'],
    ["quotes and backslashes", '"\\\\\\"\\\\"'],
    ["a string that ends in a backslash", '["\\\\","\\\\\\\\"]'],
    ["braces in strings", '"}{][}],:\\",\\"key\\":"'],
    ["commas and colons in names", '{"a,b:c":",:","}":"{","\\"":"\\\\"}'],
    ["JSON in a string", '"{\\"key\\":\\"a\\",\\"value\\":1}"'],
    ["what follows a value in an answer", '"x,\\"ts\\":1,\\"revision\\":1}"'],
  ])("comes back unchanged: %s", async (_, text) => {
    const key = freshKey();
    await setText(key, text);
    expect(await getText(key)).toBe(text);
  });

  it("comes back without the white space around it", async () => {
    const key = freshKey();
    await setText(key, " \n[ 1 ]\t\r\n");
    expect(await getText(key)).toBe("[ 1 ]");
  });

  it("is found wherever and however its member is written", async () => {
    const [first, second, third] = [freshKey(), freshKey(), freshKey()];
    const bodies = [
      `{"value":[1.0],"key":${JSON.stringify(first)}}`,
      ` {\n"key" : ${JSON.stringify(second)} ,\t"v\\u0061lue"\r:\n[1.0] } `,
      `\ufeff{"\\u006bey":${JSON.stringify(third)},"value":[1.0]}`,
    ];
    for (const body of bodies) expect((await request("POST", "/set", { body })).status).toBe(200);
    for (const key of [first, second, third]) expect(await getText(key)).toBe("[1.0]");
  });

  it("comes back unchanged however any JSON is spelt", async () => {
    const key = freshKey();
    const value = fc.jsonValue({ stringUnit: "binary" });
    const spelling = fc.array(fc.nat({ max: 11 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(value, spelling, async (value, choices) => {
        const text = spell(value, choices);
        await setText(key, text);
        expect(await getText(key)).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 200 },
    );
  });
});

describe("a key", () => {
  it.each([
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "toString",
    "😀🧠",
    "👩‍👩‍👧",
    "ключ",
    " ",
    " leading and trailing ",
    ".",
    "..",
    "a/b?c#d&e=f+g%20h",
    "%00",
    "\"'\\`",
    "*",
    "[a-z]",
    "null",
    "0",
    "\u00a0\u200b\u2028\ufeff",
    "\u{10ffff}",
    "'; DROP TABLE entries; --",
  ])("may be named %j", async (name) => {
    // Other test files may use the same name.
    await request("DELETE", `/schema?key=${encodeURIComponent(name)}`);
    await post("/delete", { key: name });
    const before = await getText(name);
    const value = JSON.stringify(crypto.randomUUID());
    await setText(name, value);
    expect(before).toBeNull();
    expect(await getText(name)).toBe(value);
  });

  it("is another where its letters' case, composition or spaces differ", async () => {
    const key = freshKey();
    const names = [`${key}é`, `${key}e\u0301`, `${key}É`, `${key}é `, ` ${key}é`];
    for (const name of names) await set(name, name);
    for (const name of names) expect(await getText(name)).toBe(JSON.stringify(name));
  });

  it("may be written with + or %20 for a space in a query", async () => {
    const key = `${freshKey()} and more`;
    await set(key, 1);
    for (const space of ["+", "%20"]) {
      const response = await request("GET", `/get?key=${key.replaceAll(" ", space)}`);
      expect(await response.json()).toMatchObject({ value: 1 });
    }
  });
});

describe("writes", () => {
  it("replace each other", async () => {
    const key = freshKey();
    const { ts: created } = await set(key, { first: true });
    const { revision, ts } = await set(key, [2]);
    expect(await get(key)).toBe(`{"value":[2],"ts":${ts},"revision":${revision},"created":${created}}`);
  });

  it("count revisions up by one across the keys of a namespace", async () => {
    const keys = [freshKey(), freshKey(), freshKey()];
    const revisions: number[] = [];
    for (let i = 0; i < 12; i++) revisions.push((await set(keys[i % 3] as string, i)).revision);
    expect(revisions).toEqual(revisions.map((_, i) => (revisions[0] as number) + i));
  });

  it("take one revision each when they come at once, and the last of them stays", async () => {
    const key = freshKey();
    const { revision: before } = await set(key, "before");
    const written = await Promise.all(Array.from({ length: 40 }, (_, i) => set(key, i)));
    const revisions = written.map(({ revision }) => revision);
    expect(revisions.toSorted((a, b) => a - b)).toEqual(written.map((_, i) => before + 1 + i));
    const last = revisions.indexOf(before + written.length);
    expect(JSON.parse(await get(key))).toMatchObject({ value: last, revision: revisions[last], ts: written[last]?.ts });
  });

  it("of one key have times that only grow", async () => {
    const key = freshKey();
    const written = await Promise.all(Array.from({ length: 40 }, (_, i) => set(key, i)));
    for (let i = 0; i < 10; i++) written.push(await set(key, i));
    const times = written.toSorted((a, b) => a.revision - b.revision).map(({ ts }) => ts);
    for (const [i, ts] of times.entries()) {
      if (i > 0) expect(ts).toBeGreaterThan(times[i - 1] as number);
    }
  });
});

/** The value as JSON text that no printer would write: `choices`, over and over, pick its white space and escapes. */
function spell(value: unknown, choices: readonly number[]): string {
  let taken = 0;
  const choose = <T>(...options: T[]): T =>
    options[(choices[taken++ % choices.length] as number) % options.length] as T;
  const space = () => choose("", "", "", " ", "\n", "\t \r\n");
  const escaped = (character: string) =>
    Array.from({ length: character.length }, (_, i) => {
      const hex = character.charCodeAt(i).toString(16).padStart(4, "0");
      return `\\u${choose(hex, hex.toUpperCase())}`;
    }).join("");
  const text = (string: string) =>
    `"${Array.from(string, (character) => {
      const plain = JSON.stringify(character).slice(1, -1);
      return choose(plain, plain, escaped(character), character === "/" ? "\\/" : plain);
    }).join("")}"`;
  const print = (value: unknown): string => {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) {
      return `[${space()}${value.map(print).join(`${space()},${space()}`)}${space()}]`;
    }
    if (typeof value === "object" && value !== null) {
      const members = Object.entries(value).map(
        ([name, member]) => `${text(name)}${space()}:${space()}${print(member)}`,
      );
      return `{${space()}${members.join(`${space()},${space()}`)}${space()}}`;
    }
    const plain = JSON.stringify(value);
    if (typeof value !== "number") return plain;
    if (plain.includes("e")) return choose(plain, plain.replace("e", "E"));
    return choose(plain, plain.includes(".") ? `${plain}00` : `${plain}.0`, `${plain}e0`, `${plain}E-00`);
  };
  return print(value);
}
