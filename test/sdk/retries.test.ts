// Which calls are retried, when, and that memX applies a retried write once.

import { exports } from "cloudflare:workers";
import { expect, it, onTestFinished, vi } from "vitest";
import { NetworkError, RateLimitedError, TimeoutError, UnavailableError } from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

type Respond = (url: string, init: RequestInit) => Promise<Response>;

const pass: Respond = (url, init) => exports.default.fetch(new Request(url, init));

/** Responds to the first calls with the given responses, then as memX. */
function failing(...responses: Respond[]) {
  const keys: (string | null)[] = [];
  const fetch: Respond = (url, init) => {
    keys.push(new Headers(init.headers).get("idempotency-key"));
    return (responses.shift() ?? pass)(url, init);
  };
  return { keys, ...connectMemx({ fetch }) };
}

const lost: Respond = async (url, init) => {
  await pass(url, init);
  throw new TypeError("the connection was lost");
};
const problem =
  (status: number, headers: HeadersInit = {}) =>
  async () =>
    new Response("<html>a proxy</html>", { status, headers });

it("retries a write whose response was lost, and memX applies it once", async () => {
  const { memx, keys } = failing(lost, lost);
  const key = freshKey();
  const { value } = await memx.increment(key, 1);
  expect(value).toBe(1);
  expect((await memx.get(key))?.value).toBe(1);
  expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]]);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
});

it("gives each write a new idempotency key, unless the caller gives one", async () => {
  const { memx, keys } = failing();
  const key = freshKey();
  await memx.set(key, 1);
  await memx.set(key, 2);
  await memx.set(key, 3, { idempotencyKey: "mine" });
  await memx.get(key);
  expect(new Set(keys).size).toBe(4);
  expect(keys.slice(2)).toEqual(["mine", null]);
});

it("retries a read while memX is unavailable", async () => {
  const { memx, keys } = failing(problem(503), problem(502), problem(500));
  expect(await memx.get(freshKey())).toBeNull();
  expect(keys).toHaveLength(4);
});

it("gives up after the last retry, and reports the error", async () => {
  const { memx, keys } = failing(...Array.from({ length: 4 }, () => problem(503, { "x-request-id": "r-1" })));
  const error = await memx.get(freshKey()).catch((reason) => reason);
  expect(error).toBeInstanceOf(UnavailableError);
  expect(error).toMatchObject({ status: 503, requestId: "r-1" });
  expect(keys).toHaveLength(4);
});

it("waits as long as Retry-After says", async () => {
  const { memx } = failing(problem(429, { "retry-after": "1" }));
  const began = Date.now();
  expect(await memx.get(freshKey())).toBeNull();
  expect(Date.now() - began).toBeGreaterThanOrEqual(1_000);
});

it("does not wait longer than memX remembers the idempotency key", async () => {
  const { memx, keys } = failing(problem(429, { "retry-after": "3600" }));
  const error = await memx.set(freshKey(), 1).catch((reason) => reason);
  expect(error).toBeInstanceOf(RateLimitedError);
  expect(error.retryAfterMs).toBe(3_600_000);
  expect(keys).toHaveLength(1);
});

it("does not send a write again after the machine has slept longer than that", async () => {
  onTestFinished(() => void vi.restoreAllMocks());
  const now = Date.now();
  const { memx, keys } = failing(async () => {
    // Only the wall clock goes on while a machine sleeps.
    vi.spyOn(Date, "now").mockReturnValue(now + 3_600_000);
    return new Response("", { status: 503 });
  });
  await expect(memx.set(freshKey(), 1)).rejects.toBeInstanceOf(UnavailableError);
  expect(keys).toHaveLength(1);
});

it("does not send a write again after that time because its clock was set back", async () => {
  onTestFinished(() => void vi.restoreAllMocks());
  const { memx, keys } = failing(async () => {
    vi.spyOn(Date, "now").mockReturnValue(0);
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + 300_000);
    return new Response("", { status: 503 });
  });
  await expect(memx.set(freshKey(), 1)).rejects.toBeInstanceOf(UnavailableError);
  expect(keys).toHaveLength(1);
});

it("does not retry after a refusal", async () => {
  const { memx, requests } = connectMemx({ apiKey: "unknown_key" });
  await expect(memx.get(freshKey())).rejects.toMatchObject({ code: "invalid_api_key" });
  expect(requests).toHaveLength(1);
});

it("retries after a timeout, and then reports it", async () => {
  const never: Respond = (_, { signal }) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const { memx } = connectMemx({ fetch: never, timeoutMs: 20, retries: 1 });
  await expect(memx.get(freshKey())).rejects.toBeInstanceOf(TimeoutError);
});

it("retries after an incomplete response, and then reports it", async () => {
  const half: Respond = async () => new Response('{"value":{"x":');
  const { memx } = connectMemx({ fetch: half, retries: 1 });
  await expect(memx.get(freshKey())).rejects.toBeInstanceOf(NetworkError);
});

it("stops waiting for the next attempt when its signal aborts", async () => {
  const { memx } = failing(problem(503, { "retry-after": "60" }));
  const abort = new AbortController();
  const call = memx.get(freshKey(), { signal: abort.signal });
  const reason = new Error("enough");
  setTimeout(() => abort.abort(reason), 20);
  await expect(call).rejects.toBe(reason);
});
