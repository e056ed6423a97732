// Subscriptions where there is no WebSocket, as in Node 20: they read server-sent events, and deliver the same.

import { exports } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import {
  ForbiddenError,
  type MemXOptions,
  NetworkError,
  type SubscriptionStatus,
  TimeoutError,
  UnauthorizedError,
} from "../../sdk/typescript/index.ts";
import { freshKey, setText } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** A client without a WebSocket. `watches` has the requests of its streams, which the test can cut. */
function connect(options: MemXOptions = {}) {
  const watches: { url: URL; headers: Headers; signal: AbortSignal; cut: () => void }[] = [];
  const send = options.fetch ?? ((url, init) => exports.default.fetch(new Request(url, init)));
  const fetch = async (url: string, init: RequestInit) => {
    if (new URL(url).pathname !== "/watch") return send(url, init);
    const broken = new AbortController();
    const signal = init.signal as AbortSignal;
    watches.push({ url: new URL(url), headers: new Headers(init.headers), signal, cut: () => broken.abort() });
    return send(url, { ...init, signal: AbortSignal.any([signal, broken.signal]) });
  };
  const { memx } = connectMemx({ ...options, fetch, WebSocket: null });
  return { memx, watches };
}

/** Responds to `/watch` with a stream of the chunks, which stays open. */
function streaming(...chunks: (string | Uint8Array)[]): MemXOptions {
  const encoder = new TextEncoder();
  const fetch = async (url: string) => {
    if (!url.includes("/watch")) return Response.json({ changes: [], revision: 1, reset: false });
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
  };
  return { fetch };
}

const READY = 'data: {"event":"ready","revision":1}\n\n';
const event = (revision: number, value: string) =>
  `id: ${revision}\ndata: {"event":"value","action":"set","key":"a","value":${value},"ts":1,"revision":${revision},"previous":0}\n\n`;

it("delivers every change once and in order, also after the stream broke", async () => {
  const { memx, watches } = connect();
  const key = freshKey();
  const values: unknown[] = [];
  const statuses: SubscriptionStatus[] = [];
  const subscription = memx.subscribe(key, ({ value }) => values.push(value), {
    onStatus: (each) => statuses.push(each),
  });
  await subscription.ready;
  await memx.set(key, 1);
  await expect.poll(() => values).toEqual([1]);
  watches[0]?.cut();
  await memx.set(key, 2);
  await memx.delete(key);
  await expect.poll(() => values).toEqual([1, 2, undefined]);
  expect(watches.at(-1)?.url.searchParams.get("since")).toMatch(/^\d+$/);
  expect(watches[0]?.headers.get("accept")).toBe("text/event-stream");
  await expect.poll(() => statuses).toEqual(["live", "connecting", "live"]);
});

it("shares one stream between subscriptions, and closes it after the last", async () => {
  const { memx, watches } = connect();
  const [a, b] = [memx.subscribe(freshKey()), memx.watch(freshKey())];
  await Promise.all([a.ready, b.ready]);
  expect(watches).toHaveLength(1);
  a.close();
  b.close();
  await expect.poll(() => watches.every(({ signal }) => signal.aborted)).toBe(true);
});

it("begins with a snapshot, and reads values that have line breaks", async () => {
  const { memx } = connect();
  const key = freshKey();
  await setText(key, '{"x":\n1,\r\n"y":"\\n"}');
  const values: unknown[] = [];
  const subscription = memx.subscribe(key, ({ value }) => values.push(value), { snapshot: true });
  await subscription.ready;
  await setText(key, "[\n\n2]");
  await expect.poll(() => values).toEqual([{ x: 1, y: "\n" }, [2]]);
});

it("ends if memX refuses it", async () => {
  await expect(connect({ apiKey: "unknown_key" }).memx.watch("*").done).rejects.toBeInstanceOf(UnauthorizedError);
  const { memx } = connect({ apiKey: "agent_key_1" });
  await expect(memx.subscribe("secret").done).rejects.toBeInstanceOf(ForbiddenError);
});

it("reads events that come in any pieces", async () => {
  const text = `:\n\n${READY}${event(2, '"é🎈"')}:\n\n${event(3, "3")}`;
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => new Uint8Array([byte]));
  const { memx } = connect(streaming(...bytes));
  const values: unknown[] = [];
  memx.watch("*", ({ value }) => values.push(value));
  await expect.poll(() => values).toEqual(["é🎈", 3]);
});

it.each<[name: string, options: MemXOptions, Class: new (...args: never[]) => Error, message: string]>([
  ["an event that is not JSON", streaming(READY, "data: <html>\n\n"), NetworkError, "An event of the stream"],
  ["an event that is none", streaming(READY, "data: null\n\n"), NetworkError, "An event of the stream"],
  ["a page", { fetch: async () => new Response("<html>") }, NetworkError, "The response of http://memx"],
  ["a page with status 404", { fetch: async () => new Response("", { status: 404 }) }, Error, "has status 404"],
  ["a response without a body", { fetch: async () => new Response(null) }, NetworkError, "The response of http://memx"],
  [
    "no response",
    { fetch: () => Promise.reject(new TypeError("gone")) },
    NetworkError,
    "cannot be reached at http://memx: gone",
  ],
  ["silence", { ...streaming(), pingTimeoutMs: 20 }, TimeoutError, "memX did not respond within 20 ms."],
])("says that it found %s, and keeps trying", async (_, options, Class, message) => {
  const { memx, watches } = connect(options);
  const subscription = memx.watch("*");
  await expect.poll(() => subscription.lastError?.message).toContain(message);
  expect(subscription.lastError).toBeInstanceOf(Class);
  await expect.poll(() => watches.length).toBeGreaterThan(1);
  expect(watches[0]?.signal.aborted).toBe(true);
  expect(subscription.status).not.toBe("closed");
});

it("notices that a stream is over", async () => {
  const over = async (url: string) =>
    url.includes("/watch")
      ? new Response(READY, { headers: { "content-type": "text/event-stream" } })
      : Response.json({ changes: [], revision: 1, reset: false });
  const { memx, watches } = connect({ fetch: over });
  const subscription = memx.watch("*");
  await subscription.ready;
  await expect.poll(() => watches.length).toBeGreaterThan(1);
});

it("notices a stream that has gone silent, which memX's comments prevent", async () => {
  vi.useFakeTimers();
  const { memx, watches } = connect(streaming(READY));
  const errors: unknown[] = [];
  const subscription = memx.watch("*", { onStatus: (_, error) => error && errors.push(error) });
  await vi.advanceTimersByTimeAsync(0);
  await subscription.ready;
  await vi.advanceTimersByTimeAsync(24_000);
  expect([subscription.status, watches.length]).toEqual(["live", 1]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(errors).toEqual([expect.any(TimeoutError)]);
  expect(watches[0]?.signal.aborted).toBe(true);
});
