// What is tried again, when, and that a write which is tried again is applied once.

import { exports } from "cloudflare:workers";
import { expect, it } from "vitest";
import { NetworkError, RateLimitedError, TimeoutError, UnavailableError } from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

type Answer = (url: string, init: RequestInit) => Promise<Response>;

const pass: Answer = (url, init) => exports.default.fetch(new Request(url, init));

/** Answers the first calls as told, and then as memX does. */
function failing(...answers: Answer[]) {
  const keys: (string | null)[] = [];
  const fetch: Answer = (url, init) => {
    keys.push(new Headers(init.headers).get("idempotency-key"));
    return (answers.shift() ?? pass)(url, init);
  };
  return { keys, ...connectMemx({ fetch }) };
}

const lost: Answer = async (url, init) => {
  await pass(url, init);
  throw new TypeError("the connection was lost");
};
const problem =
  (status: number, headers: HeadersInit = {}) =>
  async () =>
    new Response("<html>a proxy</html>", { status, headers });

it("repeats a write whose answer was lost, and it is applied once", async () => {
  const { memx, keys } = failing(lost, lost);
  const key = freshKey();
  const { value } = await memx.increment(key, 1);
  expect(value).toBe(1);
  expect((await memx.get(key))?.value).toBe(1);
  expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]]);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
});

it("names each write anew, unless the caller names it", async () => {
  const { memx, keys } = failing();
  const key = freshKey();
  await memx.set(key, 1);
  await memx.set(key, 2);
  await memx.set(key, 3, { idempotencyKey: "mine" });
  await memx.get(key);
  expect(new Set(keys).size).toBe(4);
  expect(keys.slice(2)).toEqual(["mine", null]);
});

it("tries a read again while memX is out of order", async () => {
  const { memx, keys } = failing(problem(503), problem(502), problem(500));
  expect(await memx.get(freshKey())).toBeNull();
  expect(keys).toHaveLength(4);
});

it("gives up after so many times, and says what was wrong", async () => {
  const { memx, keys } = failing(...Array.from({ length: 4 }, () => problem(503, { "x-request-id": "r-1" })));
  const error = await memx.get(freshKey()).catch((reason) => reason);
  expect(error).toBeInstanceOf(UnavailableError);
  expect(error).toMatchObject({ status: 503, requestId: "r-1" });
  expect(keys).toHaveLength(4);
});

it("waits as long as it is told to", async () => {
  const { memx } = failing(problem(429, { "retry-after": "1" }));
  const began = Date.now();
  expect(await memx.get(freshKey())).toBeNull();
  expect(Date.now() - began).toBeGreaterThanOrEqual(1_000);
});

it("does not wait longer than a repeat of the write would still be known", async () => {
  const { memx, keys } = failing(problem(429, { "retry-after": "3600" }));
  const error = await memx.set(freshKey(), 1).catch((reason) => reason);
  expect(error).toBeInstanceOf(RateLimitedError);
  expect(error.retryAfterMs).toBe(3_600_000);
  expect(keys).toHaveLength(1);
});

it("does not repeat what would be refused again", async () => {
  const { memx, requests } = connectMemx({ apiKey: "nobody" });
  await expect(memx.get(freshKey())).rejects.toMatchObject({ code: "invalid_api_key" });
  expect(requests).toHaveLength(1);
});

it("tries again where no answer comes in time, and says so in the end", async () => {
  const never: Answer = (_, { signal }) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const { memx } = connectMemx({ fetch: never, timeoutMs: 20, retries: 1 });
  await expect(memx.get(freshKey())).rejects.toBeInstanceOf(TimeoutError);
});

it("tries again where the answer breaks off, and says so in the end", async () => {
  const half: Answer = async () => new Response('{"value":{"x":');
  const { memx } = connectMemx({ fetch: half, retries: 1 });
  await expect(memx.get(freshKey())).rejects.toBeInstanceOf(NetworkError);
});

it("stops waiting for the next attempt when it is aborted", async () => {
  const { memx } = failing(problem(503, { "retry-after": "60" }));
  const abort = new AbortController();
  const call = memx.get(freshKey(), { signal: abort.signal });
  const reason = new Error("enough");
  setTimeout(() => abort.abort(reason), 20);
  await expect(call).rejects.toBe(reason);
});
