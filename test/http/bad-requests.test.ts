// Requests that are refused: each with a stable code, without repeating what was sent, and without changing anything.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import type { ErrorCode } from "../../sdk/protocol.ts";
import { freshKey, get, problem, type RequestOptions, request, set } from "../support/client.ts";

/** Stands in every value that is sent, and never in an answer. */
const SECRET = "hunter2-marker";

/** A request, made for the key that it could have changed. */
type Sent = readonly [method: string, path: string, options?: RequestOptions];

const post = (path: string, body: BodyInit, headers: RequestOptions["headers"] = {}): Sent => [
  "POST",
  path,
  { body, headers },
];
/** A body for /set whose value is this JSON text. */
const withValue = (key: string, value: string) => `{"key":"${key}","value":${value}}`;
/** A body for /set whose key is this JSON text. */
const withKey = (key: string) => `{"key":${key},"value":"${SECRET}"}`;
const query = (text: string): Sent => ["GET", `/get?${text}`];
const bytes = (...parts: (string | number)[]) =>
  new Uint8Array(parts.flatMap((part) => (typeof part === "string" ? [...new TextEncoder().encode(part)] : [part])));
const nested = (levels: number, inside = `"${SECRET}"`) => "[".repeat(levels) + inside + "]".repeat(levels);
const stringOfBytes = (count: number) => `"${SECRET.padEnd(count - 2, "x")}"`;

function stream(text: string): ReadableStream<Uint8Array> {
  const chunk = bytes(text.slice(0, 65_536));
  let left = text.length;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      controller.enqueue(chunk.slice(0, left));
      left -= chunk.length;
    },
  });
}

async function refuses(code: ErrorCode, send: (key: string) => Sent): Promise<void> {
  const key = freshKey();
  const { revision } = await set(key, "before");
  const before = await get(key);

  const response = await request(...send(key));
  const answer = await response.clone().text();
  await problem(response, code);
  expect(answer).not.toContain(SECRET);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");

  expect(await get(key)).toBe(before);
  // Nor was any other key written: the next revision is the next.
  expect((await set(key, "after")).revision).toBe(revision + 1);
}

describe("a body is refused", () => {
  it.each<[string, ErrorCode, (key: string) => Sent]>([
    ["that is empty", "invalid_request", () => post("/set", "")],
    ["that is white space", "invalid_request", () => post("/set", " \n")],
    ["that is not JSON", "invalid_request", (key) => post("/set", `key=${key}&value=${SECRET}`)],
    ["that is cut off", "invalid_request", (key) => post("/set", `{"key":"${key}","value":"${SECRET}"`)],
    ["that goes on", "invalid_request", (key) => post("/set", `${withValue(key, `"${SECRET}"`)}{}`)],
    ["with a comma too many", "invalid_request", (key) => post("/set", `{"key":"${key}","value":"${SECRET}",}`)],
    ["with a comment", "invalid_request", (key) => post("/set", `${withValue(key, "1")}// ${SECRET}`)],
    ["with single quotes", "invalid_request", (key) => post("/set", `{'key':'${key}','value':'${SECRET}'}`)],
    ["with NaN", "invalid_request", (key) => post("/set", withValue(key, `["${SECRET}",NaN]`))],
    ["with a raw control character", "invalid_request", (key) => post("/set", withValue(key, `"${SECRET}\n"`))],
    ["with a number that has a leading zero", "invalid_request", (key) => post("/set", withValue(key, "01"))],
    ["that is an array", "invalid_request", (key) => post("/set", `[${withValue(key, `"${SECRET}"`)}]`)],
    ["that is an empty array", "invalid_request", () => post("/set", "[]")],
    ["that is a string", "invalid_request", () => post("/set", `"${SECRET}"`)],
    ["that is null", "invalid_request", () => post("/set", "null")],
    ["that is a number", "invalid_request", () => post("/set", "1")],
    ["that is an empty object", "invalid_request", () => post("/set", "{}")],
    ["without a key", "invalid_request", () => post("/set", `{"value":"${SECRET}"}`)],
    ["without a value", "invalid_request", (key) => post("/set", `{"key":"${key}"}`)],
    ["with a number for a key", "invalid_request", () => post("/set", withKey("1"))],
    ["with null for a key", "invalid_request", () => post("/set", withKey("null"))],
    ["with an array for a key", "invalid_request", (key) => post("/set", withKey(`["${key}"]`))],
    ["with an object for a key", "invalid_request", () => post("/set", withKey(`{"length":1,"x":"${SECRET}"}`))],
    ["with an empty key", "invalid_request", () => post("/set", withKey('""'))],
    ["with a key of 513 letters", "invalid_request", () => post("/set", withKey(`"${"k".repeat(513)}"`))],
    ["with a key of 800 bytes in 200 emoji", "invalid_request", () => post("/set", withKey(`"${"😀".repeat(200)}"`))],
    ["with NUL in the key", "invalid_request", (key) => post("/set", withKey(`"${key}\\u0000"`))],
    ["with a newline in the key", "invalid_request", (key) => post("/set", withKey(`"${key}\\n"`))],
    ["with U+001F in the key", "invalid_request", (key) => post("/set", withKey(`"\\u001f${key}"`))],
    ["with a raw DEL in the key", "invalid_request", (key) => post("/set", withKey(`"${key}\u007f"`))],
    ["with U+0085 in the key", "invalid_request", (key) => post("/set", withKey(`"${key}\u0085"`))],
    ["with a high surrogate in the key", "invalid_request", (key) => post("/set", withKey(`"${key}\\ud83d"`))],
    ["with a low surrogate in the key", "invalid_request", (key) => post("/set", withKey(`"\\ude00${key}"`))],
    [
      "with a lone surrogate in the value",
      "invalid_request",
      (key) => post("/set", withValue(key, `"${SECRET}\\ud83d"`)),
    ],
    [
      "with surrogates the wrong way round",
      "invalid_request",
      (key) => post("/set", withValue(key, `["${SECRET}\\ude00\\ud83d"]`)),
    ],
    [
      "with a lone surrogate in a member's name",
      "invalid_request",
      (key) => post("/set", withValue(key, `[{"\\udbff":"${SECRET}"}]`)),
    ],
    ["with an unknown member", "invalid_request", (key) => post("/set", `{"key":"${key}","value":1,"x":"${SECRET}"}`)],
    [
      "with a member named __proto__",
      "invalid_request",
      (key) => post("/set", `{"key":"${key}","value":1,"__proto__":{"x":"${SECRET}"}}`),
    ],
    [
      "with its key in __proto__",
      "invalid_request",
      (key) => post("/set", `{"__proto__":{"key":"${key}"},"value":"${SECRET}"}`),
    ],
    ["with two values", "invalid_request", (key) => post("/set", `{"key":"${key}","value":1,"value":"${SECRET}"}`)],
    ["with two keys", "invalid_request", (key) => post("/set", `{"key":"${key}","key":"other","value":"${SECRET}"}`)],
    [
      "with two values, one of them escaped",
      "invalid_request",
      (key) => post("/set", `{"key":"${key}","value":1,"v\\u0061lue":"${SECRET}"}`),
    ],
    [
      "with two equal names in the value",
      "invalid_request",
      (key) => post("/set", withValue(key, `{"a":1,"a":"${SECRET}"}`)),
    ],
    [
      "with two equal names deep in the value",
      "invalid_request",
      (key) => post("/set", withValue(key, `[[{"b":{"a":"${SECRET}","c":[],"a":1}}]]`)),
    ],
    [
      "with two names that are equal once unescaped",
      "invalid_request",
      (key) => post("/set", withValue(key, `{"a":"${SECRET}","\\u0061":1}`)),
    ],
    [
      "with two members named __proto__",
      "invalid_request",
      (key) => post("/set", withValue(key, `{"__proto__":"${SECRET}","__proto__":1}`)),
    ],
    ["with 1e400", "invalid_request", (key) => post("/set", withValue(key, `["${SECRET}",1e400]`))],
    ["with -1e999", "invalid_request", (key) => post("/set", withValue(key, `{"${SECRET}":-1e999}`))],
    [
      "with an integer of 400 digits",
      "invalid_request",
      (key) => post("/set", withValue(key, `["${SECRET}",${"9".repeat(400)}]`)),
    ],
    ["that is 66 levels deep, its value 65", "invalid_request", (key) => post("/set", withValue(key, nested(65)))],
    ["that opens 100,000 arrays", "invalid_request", () => post("/set", "[".repeat(100_000))],
    ["that is 100,000 arrays in each other", "invalid_request", () => post("/set", nested(100_000))],
    ["with 100,000 arrays in each other", "invalid_request", (key) => post("/set", withValue(key, nested(100_000)))],
    [
      "with 100,000 objects in each other",
      "invalid_request",
      (key) => post("/set", withValue(key, `${'{"a":'.repeat(100_000)}"${SECRET}"${"}".repeat(100_000)}`)),
    ],
    [
      "with a byte that is not UTF-8",
      "invalid_request",
      (key) => post("/set", bytes(`{"key":"${key}","value":"${SECRET}`, 0xff, '"}')),
    ],
    [
      "with a surrogate in UTF-8",
      "invalid_request",
      (key) => post("/set", bytes(`{"key":"${key}`, 0xed, 0xa0, 0xbd, `","value":"${SECRET}"}`)),
    ],
    ["in UTF-16", "invalid_request", () => post("/set", bytes(0xff, 0xfe, 0x7b, 0, 0x7d, 0))],
    [
      "with a value one byte past the limit",
      "too_large",
      (key) => post("/set", withValue(key, stringOfBytes(LIMITS.maxValueBytes + 1))),
    ],
    [
      "with a value past the limit in bytes, not in characters",
      "too_large",
      (key) => post("/set", withValue(key, `"${SECRET}${"😀".repeat(LIMITS.maxValueBytes / 4)}"`)),
    ],
    [
      "past the limit",
      "too_large",
      (key) => {
        const text = withValue(key, `"${SECRET}"`).padEnd(LIMITS.maxBodyBytes + 1);
        return post("/set", text, { "content-length": String(text.length) });
      },
    ],
    [
      "past the limit, of unknown length",
      "too_large",
      (key) => post("/set", stream(withValue(key, `"${SECRET}"`).padEnd(LIMITS.maxBodyBytes + 1))),
    ],
    [
      "without a content-type",
      "unsupported_media_type",
      (key) => post("/set", withValue(key, `"${SECRET}"`), { "content-type": null }),
    ],
    [
      "with the content-type of a form",
      "unsupported_media_type",
      (key) => post("/set", withValue(key, `"${SECRET}"`), { "content-type": "application/x-www-form-urlencoded" }),
    ],
    [
      "with the content-type text/plain",
      "unsupported_media_type",
      (key) => post("/set", withValue(key, `"${SECRET}"`), { "content-type": "text/plain; application/json" }),
    ],
    [
      "with the content-type of JSON lines",
      "unsupported_media_type",
      (key) => post("/set", withValue(key, `"${SECRET}"`), { "content-type": "application/jsonl" }),
    ],
    [
      "with a content-encoding",
      "unsupported_media_type",
      (key) => post("/set", withValue(key, `"${SECRET}"`), { "content-encoding": "gzip" }),
    ],
    ["for /schema without a key", "invalid_request", () => post("/schema", `{"schema":{"title":"${SECRET}"}}`)],
    ["for /schema without a schema", "invalid_request", (key) => post("/schema", `{"key":"${key}"}`)],
    ["for /schema with a string", "invalid_request", (key) => post("/schema", `{"key":"${key}","schema":"${SECRET}"}`)],
    [
      "for /schema with an array",
      "invalid_request",
      (key) => post("/schema", `{"key":"${key}","schema":["${SECRET}"]}`),
    ],
    ["for /schema with null", "invalid_request", (key) => post("/schema", `{"key":"${key}","schema":null}`)],
    [
      "for /schema with two equal names",
      "invalid_request",
      (key) => post("/schema", `{"key":"${key}","schema":{"title":"${SECRET}","title":""}}`),
    ],
    [
      "for /schema without a content-type",
      "unsupported_media_type",
      (key) => post("/schema", `{"key":"${key}","schema":{}}`, { "content-type": null }),
    ],
  ])("%s", (_, code, send) => refuses(code, send));
});

describe("a query is refused", () => {
  it.each<[string, ErrorCode, (key: string) => Sent]>([
    ["that is not there", "invalid_request", () => ["GET", "/get"]],
    ["without a key", "invalid_request", () => query("")],
    ["with an empty key", "invalid_request", () => query("key=")],
    ["with a key that has no value", "invalid_request", () => query("key")],
    ["with a key of 513 letters", "invalid_request", () => query(`key=${"k".repeat(513)}`)],
    ["with a key of 800 bytes", "invalid_request", () => query(`key=${encodeURIComponent("😀".repeat(200))}`)],
    ["with NUL in the key", "invalid_request", (key) => query(`key=${key}%00`)],
    ["with a newline in the key", "invalid_request", (key) => query(`key=${key}%0a`)],
    ["with U+001F in the key", "invalid_request", (key) => query(`key=%1F${key}`)],
    ["with DEL in the key", "invalid_request", (key) => query(`key=${key}%7f`)],
    ["with U+0085 in the key", "invalid_request", (key) => query(`key=${key}%C2%85`)],
    ["with a surrogate in the key", "invalid_request", (key) => query(`key=${key}%ed%a0%bd`)],
    ["with a byte that is not UTF-8", "invalid_request", () => query("key=%ff")],
    ["with an overlong encoding", "invalid_request", () => query("key=%c0%af")],
    ["with a percent sign that starts no byte", "invalid_request", () => query("key=%zz")],
    ["with a percent sign at the end", "invalid_request", (key) => query(`key=${key}%`)],
    ["with two keys", "invalid_request", (key) => query(`key=${key}&key=${SECRET}`)],
    ["with the same key twice", "invalid_request", (key) => query(`key=${key}&key=${key}`)],
    ["with two keys, one of them escaped", "invalid_request", (key) => query(`key=${key}&k%65y=${SECRET}`)],
    ["with an unknown parameter", "invalid_request", (key) => query(`key=${key}&value=${SECRET}`)],
    ["with a parameter named __proto__", "invalid_request", (key) => query(`key=${key}&__proto__=${SECRET}`)],
    ["with the key in another letters' case", "invalid_request", (key) => query(`Key=${key}`)],
    ["for /schema without a key", "invalid_request", () => ["GET", "/schema"]],
    ["for the end of a schema without a key", "invalid_request", () => ["DELETE", "/schema"]],
    ["for the end of a schema with two keys", "invalid_request", (key) => ["DELETE", `/schema?key=${key}&key=${key}`]],
  ])("%s", (_, code, send) => refuses(code, send));
});

describe("a path is refused", () => {
  it.each<[string, ErrorCode, (key: string) => Sent]>([
    ["that leads nowhere", "not_found", () => ["GET", "/nowhere"]],
    ["that leads nowhere, with a body", "not_found", (key) => post("/sets", withValue(key, `"${SECRET}"`))],
    ["with a slash at its end", "not_found", (key) => post("/set/", withValue(key, `"${SECRET}"`))],
    ["in capitals", "not_found", (key) => post("/SET", withValue(key, `"${SECRET}"`))],
    ["of a file that the page does not use", "not_found", () => ["GET", "/package.json"]],
    ["of a file beside the page's", "not_found", () => ["GET", "/docs/package.json"]],
  ])("%s", (_, code, send) => refuses(code, send));

  it.each([
    ["GET", "/set", "POST"],
    ["PUT", "/set", "POST"],
    ["DELETE", "/set", "POST"],
    ["POST", "/get", "GET"],
    ["PATCH", "/schema", "DELETE, GET, POST"],
    ["POST", "/health", "GET"],
    ["DELETE", "/docs", "GET"],
  ])("with a method it does not take, saying which it takes: %s %s", async (method, path, allowed) => {
    const key = freshKey();
    const response = await request(method, `${path}?key=${key}`);
    await problem(response, "method_not_allowed");
    const allow = (response.headers.get("allow") ?? "")
      .split(", ")
      .filter((name) => name !== "HEAD" && name !== "OPTIONS");
    expect(allow.toSorted().join(", ")).toBe(allowed);
    expect(await get(key)).toBe("null");
  });
});

describe("a refusal", () => {
  it("says where a body is wrong", async () => {
    const response = await request("POST", "/set", { body: '{"key":1,"other":2}' });
    const { errors = [] } = await problem(response, "invalid_request");
    expect(new Set(errors.map(({ path }) => path))).toEqual(new Set(["", "/key", "/other"]));
    for (const { message } of errors) expect(message).toMatch(/\S/);
  });

  it("names a repeated parameter by its JSON Pointer", async () => {
    const response = await request("GET", "/get?a/~b=1&a/~b=2");
    const { errors = [] } = await problem(response, "invalid_request");
    expect(errors.map(({ path }) => path)).toEqual(["/a~1~0b"]);
  });

  it("tells nothing of a body that holds more wrong than can be said", async () => {
    const unknown = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`member${i}`, SECRET]));
    const response = await request("POST", "/set", { body: JSON.stringify({ key: freshKey(), value: 1, ...unknown }) });
    const answer = await response.clone().text();
    await problem(response, "invalid_request");
    expect(answer).not.toContain(SECRET);
    expect(answer.length).toBeLessThan(64 * 1024);
  });
});

describe("at its limit, a request is accepted", () => {
  it.each([
    ["a key of 512 letters", "k"],
    ["a key of 512 bytes in 128 emoji", "😀"],
  ])("%s", async (_, character) => {
    const id = crypto.randomUUID();
    const key = id + character.repeat((LIMITS.maxKeyBytes - 36) / new TextEncoder().encode(character).length);
    const { revision, ts } = await set(key, id);
    expect(await get(key)).toBe(`{"value":"${id}","ts":${ts},"revision":${revision},"created":${ts}}`);
  });

  it.each<[string, (key: string) => string]>([
    ["a value of 64 levels", (key) => withValue(key, nested(64))],
    ["a value of 256 KiB", (key) => withValue(key, stringOfBytes(LIMITS.maxValueBytes))],
    ["a body of 1 MiB", (key) => withValue(key, `"${SECRET}"`).padEnd(LIMITS.maxBodyBytes)],
  ])("%s", async (_, body) => {
    const key = freshKey();
    const response = await request("POST", "/set", { body: body(key) });
    expect(response.status, await response.text()).toBe(200);
    expect(JSON.parse(await get(key)).value).toEqual(JSON.parse(body(key)).value);
  });

  it.each(["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])(
    "the content-type %s",
    async (contentType) => {
      const key = freshKey();
      const body = withValue(key, "1");
      const response = await request("POST", "/set", { body, headers: { "content-type": contentType } });
      expect(response.status).toBe(200);
      expect(await get(key)).toContain('"value":1,');
    },
  );

  it("a body that comes in pieces", async () => {
    const key = freshKey();
    const text = withValue(key, `"${SECRET}"`).padEnd(200);
    const response = await request("POST", "/set", { body: stream(text) });
    expect(response.status).toBe(200);
    expect(await get(key)).toContain(SECRET);
  });
});
