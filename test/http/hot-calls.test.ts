// The shortcut of the calls that agents make most often, against the general chain: for the same request, the same status, headers, and
// body, byte for byte.

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { app } from "../../worker/app.ts";
import { hotCall } from "../../worker/hot-calls.ts";
import { freshKey, set } from "../support/client.ts";
import { breakStore } from "../support/engine.ts";

type Sent = { readonly method: string; readonly url: string; readonly headers: HeadersInit; readonly body?: string };

const AUTH = { "x-api-key": "local_dev_key", "x-request-id": "the-same" };
const JSON_BODY = { ...AUTH, "content-type": "application/json" };

const get = (query: string, headers: HeadersInit = AUTH): Sent => ({
  method: "GET",
  url: `http://memx/get?${query}`,
  headers,
});

const post = (body: string, headers: Record<string, string> = JSON_BODY): Sent => ({
  method: "POST",
  url: "http://memx/set",
  headers: { ...headers, "content-length": String(new TextEncoder().encode(body).length) },
  body,
});

/** What differs between two requests of the same kind: times, and the revisions of writes. */
function masked(text: string): string {
  return text.replace(/"(revision|ts)":[\d.]+/g, '"$1":0').replace(/dur=[\d.]+/g, "dur=0");
}

async function outcome(response: Response, isWrite: boolean) {
  const headers = [...response.headers].map(([name, value]): [string, string] => [
    name,
    isWrite && name === "memx-revision" ? "0" : masked(value),
  ]);
  return { status: response.status, headers, body: masked(await response.text()) };
}

async function both(sent: Sent) {
  const isWrite = sent.method === "POST";
  const context = createExecutionContext();
  const hot = hotCall(new Request(sent.url, sent), env, context);
  const short = hot && (await outcome(await hot, isWrite));
  const long = await outcome(await app.fetch(new Request(sent.url, sent), env, context), isWrite);
  await waitOnExecutionContext(context);
  return { short, long };
}

async function expectSame(sent: Sent, status: number) {
  const { short, long } = await both(sent);
  expect(short).toEqual(long);
  expect(long.status).toBe(status);
}

describe("a get", () => {
  it.each<[what: string, status: number, query: (key: string) => string, headers?: Record<string, string>]>([
    ["of a value", 200, (key) => `key=${key}`],
    ["of a key without one", 200, (key) => `key=${key}:none`],
    ["with an escaped key", 200, (key) => `key=${key.replace(/./, (c) => `%${c.charCodeAt(0).toString(16)}`)}`],
    ["with conditions", 200, (key) => `key=${key}&min_revision=1&max_age=3`],
    ["that matches the caller's copy", 304, (key) => `key=${key}`, { "if-none-match": "*" }],
    ["of another copy", 200, (key) => `key=${key}`, { "if-none-match": '"1"' }],
    ["from a revision yet to come", 412, (key) => `key=${key}`, { "memx-min-revision": "9007199254740991" }],
    ["with a revision that is none", 422, (key) => `key=${key}`, { "memx-min-revision": "x" }],
    ["without a key", 422, () => "ky=1"],
    ["with two keys", 422, (key) => `key=${key}&key=${key}`],
    ["with bytes that are no text", 422, () => "key=%ff"],
    ["without an API key", 401, (key) => `key=${key}`, { "x-api-key": "" }],
    ["with an unknown API key", 403, (key) => `key=${key}`, { "x-api-key": "unknown" }],
    ["beyond its scopes", 403, (key) => `key=${key}`, { "x-api-key": "agent_key_1" }],
    ["with a bearer token", 200, (key) => `key=${key}`, { "x-api-key": "", authorization: "Bearer local_dev_key" }],
    ["with an origin", 200, (key) => `key=${key}`, { origin: "https://agents.example" }],
  ])("%s", async (_, status, query, headers = {}) => {
    const key = freshKey();
    await set(key, { text: "ä", deep: [1, { a: null }] });
    await expectSame(get(query(key), { ...AUTH, ...headers }), status);
  });
});

describe("a set", () => {
  it.each<[what: string, status: number, body: (key: string) => string, headers?: Record<string, string>]>([
    ["of a value", 200, (key) => `{"key":"${key}","value":{"a":1.0}}`],
    ["with a time of its own", 200, (key) => `{"key":"${key}","value":1,"ts":5}`],
    ["that expires", 200, (key) => `{"key":"${key}","value":1,"ttl":100}`],
    ["that conflicts", 409, (key) => `{"key":"${key}","value":1,"expect":1}`],
    ["with an agent's name", 200, (key) => `{"key":"${key}","value":1}`, { "x-memx-agent": "planner" }],
    ["with a name that is none", 422, (key) => `{"key":"${key}","value":1}`, { "x-memx-agent": "ä" }],
    ["that is no JSON", 422, () => "{"],
    ["without a value", 422, (key) => `{"key":"${key}"}`],
    ["with an unknown field", 422, (key) => `{"key":"${key}","value":1,"vlaue":2}`],
    ["of a value that is too large", 413, (key) => `{"key":"${key}","value":"${"x".repeat(LIMITS.maxValueBytes)}"}`],
    ["of another media type", 415, (key) => `{"key":"${key}","value":1}`, { "content-type": "text/plain" }],
    ["in another encoding", 415, (key) => `{"key":"${key}","value":1}`, { "content-encoding": "gzip" }],
    ["beyond its scopes", 403, (key) => `{"key":"${key}","value":1}`, { "x-api-key": "agent_key_1" }],
    ["with an id that is none", 422, (key) => `{"key":"${key}","value":1}`, { "idempotency-key": "ä b" }],
  ])("%s", async (_, status, body, headers = {}) => {
    const key = freshKey();
    await set(key, 1);
    await expectSame(post(body(key), { ...JSON_BODY, ...headers }), status);
  });

  it("with an Idempotency-Key is the same call either way", async () => {
    const sent = post(`{"key":"${freshKey()}","value":1}`, { ...JSON_BODY, "idempotency-key": crypto.randomUUID() });
    const context = createExecutionContext();
    const first = await hotCall(new Request(sent.url, sent), env, context);
    const second = await app.fetch(new Request(sent.url, sent), env, context);
    expect(await second.text()).toBe(await first?.text());
  });
});

it("a call that fails says the same either way", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const mend = await breakStore("why");
  try {
    await expectSame(get("key=a"), 503);
    await expectSame(post('{"key":"a","value":1}'), 503);
  } finally {
    await mend();
    vi.restoreAllMocks();
  }
});

it.each<[method: string, path: string, init?: RequestInit]>([
  ["HEAD", "/get?key=a"],
  ["OPTIONS", "/get?key=a"],
  ["POST", "/get?key=a"],
  ["GET", "/get"],
  ["GET", "/get/?key=a"],
  ["GET", "/gets?key=a"],
  ["GET", "/health"],
  ["GET", "/set"],
  ["POST", "/set?key=a", { body: "{}" }],
  ["POST", "/x/set", { body: "{}" }],
  ["POST", "/set"],
  ["PUT", "/set", { body: "{}" }],
  ["POST", "/set", { body: "{}", headers: { "content-length": String(LIMITS.maxBodyBytes + 1) } }],
])("%s %s %j is for the general chain", (method, path, init) => {
  expect(
    hotCall(new Request(`http://memx${path}`, { method, ...init }), env, createExecutionContext()),
  ).toBeUndefined();
});
