// A subscriber for tests: what an agent would see over a real WebSocket.

import { exports } from "cloudflare:workers";
import { expect } from "vitest";
import { set, setSchema } from "./client.ts";

export type Event = {
  readonly event: string;
  readonly action: string;
  readonly key: string;
  readonly value?: unknown;
  readonly revision: number;
  readonly previous: number;
};

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
  const { socket, texts } = await connect(`${path}${event ? `event=${event}` : ""}`, { "x-api-key": "local_dev_key" });
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
