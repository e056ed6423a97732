// A subscriber and a writer for tests: what an agent would do, over real HTTP and WebSocket.

import { exports } from "cloudflare:workers";
import { expect } from "vitest";

const API_KEY = "local_dev_key";

export type Event = {
  readonly event: string;
  readonly action: string;
  readonly key: string;
  readonly value?: unknown;
  readonly revision: number;
  readonly previous: number;
};

export const freshKey = () => `test:${crypto.randomUUID()}`;

async function call(path: string, init: RequestInit = {}): Promise<{ revision: number; ts: number }> {
  const headers = { "x-api-key": API_KEY, "content-type": "application/json" };
  const response = await exports.default.fetch(`http://memx${path}`, { ...init, headers });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

/** Writes `value`, or the JSON text given instead. */
export function set(key: string, value: unknown, text = JSON.stringify(value)) {
  return call("/set", { method: "POST", body: `{"key":${JSON.stringify(key)},"value":${text}}` });
}

export function get(key: string) {
  return call(`/get?key=${encodeURIComponent(key)}`);
}

export function setSchema(key: string, schema: unknown) {
  return call("/schema", { method: "POST", body: JSON.stringify({ key, schema }) });
}

export function deleteSchema(key: string) {
  return call(`/schema?key=${encodeURIComponent(key)}`, { method: "DELETE" });
}

export async function connect(path: string, headers: HeadersInit) {
  const response = await exports.default.fetch(`http://memx${path}`, {
    headers: { ...Object.fromEntries(new Headers(headers)), upgrade: "websocket" },
  });
  const socket = response.webSocket;
  if (!socket) throw new Error(`no WebSocket: ${response.status} ${await response.text()}`);
  const texts: string[] = [];
  socket.addEventListener("message", ({ data }) => void texts.push(data as string));
  socket.accept();
  return { socket, texts };
}

export async function subscribe(key: string, { event }: { event?: string } = {}) {
  // "." and ".." can not stand in a path.
  const path = /^\.{1,2}$/.test(key) ? `/subscribe?key=${key}&` : `/subscribe/${encodeURIComponent(key)}?`;
  const { socket, texts } = await connect(`${path}${event ? `event=${event}` : ""}`, { "x-api-key": API_KEY });
  let taken = 0;
  const events = () => texts.filter((text) => text !== "pong").map((text) => JSON.parse(text) as Event);
  return {
    socket,
    texts,
    /** The next `count` events. */
    async take(count: number): Promise<Event[]> {
      await expect.poll(() => events().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(taken + count);
      taken += count;
      return events().slice(taken - count, taken);
    },
    /** Fails if anything more was sent: events come in order, so the next one has to be of this last change. */
    async nothingMore(): Promise<void> {
      const { revision } = event === "schema" ? await setSchema(key, true) : await set(key, "last");
      expect((await this.take(1)).map((next) => next.revision)).toEqual([revision]);
    },
  };
}
