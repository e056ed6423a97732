// A subscriber for tests: it sees what an agent sees over a real WebSocket.

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

/** How a test reaches memX: by default through the Worker as configured. */
export type Fetch = (path: string, init?: { readonly headers?: HeadersInit }) => Promise<Response>;

const fetchWorker: Fetch = (path, init) => exports.default.fetch(`http://memx${path}`, init);

export async function connect(path: string, headers: HeadersInit = {}, fetch: Fetch = fetchWorker) {
  const response = await fetch(path, {
    headers: { ...Object.fromEntries(new Headers(headers)), upgrade: "websocket" },
  });
  const socket = response.webSocket;
  if (!socket) throw new Error(`no WebSocket: ${response.status} ${await response.text()}`);
  const texts: string[] = [];
  socket.addEventListener("message", ({ data }) => void texts.push(data as string));
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  socket.accept();
  return { socket, texts, closed, subprotocol: response.headers.get("sec-websocket-protocol") };
}

/** Connects a `memx.v1` client, or with `plain` a client without the subprotocol. */
export async function connectMemx(
  path: string,
  { fetch = fetchWorker, plain = false }: { fetch?: Fetch; plain?: boolean } = {},
) {
  const headers = { "x-api-key": "local_dev_key", ...(!plain && { "sec-websocket-protocol": "memx.v1" }) };
  const connection = await connect(path, headers, fetch);
  return { ...connection, ...frames(() => connection.texts.filter((text) => text !== "pong")) };
}

/** Connects a client of server-sent events that parses them as the standard says. The response must have status 200. */
export async function connectEventStream(path: string, { fetch = fetchWorker, headers = {} as HeadersInit } = {}) {
  const sent = new Headers({ "x-api-key": "local_dev_key", accept: "text/event-stream" });
  new Headers(headers).forEach((value, name) => void sent.set(name, value));
  const response = await fetch(path, { headers: sent });
  if (response.status !== 200 || !response.body) throw new Error(`${response.status} ${await response.text()}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const events: { readonly id: string | undefined; readonly data: string }[] = [];
  const comments: string[] = [];
  const read = async () => {
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() as string;
      for (const block of blocks) {
        const lines = block.split("\n");
        const fields = (name: string) =>
          lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
        if (block.startsWith(":")) comments.push(block);
        else events.push({ id: fields("id")[0], data: fields("data").join("\n") });
      }
    }
  };
  const ended = read().catch(() => {
    // The test itself aborted the request.
  });
  return { response, events, comments, ended, reader, ...frames(() => events.map(({ data }) => data)) };
}

/** Takes the events of a client one after the other, from the texts that it has received so far. */
function frames(received: () => readonly string[]) {
  let taken = 0;
  const parse = (from: number, to: number) =>
    received()
      .slice(from, to)
      .map((text) => JSON.parse(text) as Event);
  const take = async (count: number): Promise<Event[]> => {
    await expect.poll(() => received().length, { interval: 5 }).toBeGreaterThanOrEqual(taken + count);
    taken += count;
    return parse(taken - count, taken);
  };
  const takeUntil = async (isLast: (event: Event) => boolean): Promise<Event[]> => {
    const find = () => parse(taken, received().length).findIndex(isLast);
    await expect.poll(find, { interval: 10 }).toBeGreaterThanOrEqual(0);
    return take(find() + 1);
  };
  return {
    /** Waits for the next `count` events. */
    take,
    /** Waits for the next events, up to and including the first for which `isLast` is true. */
    takeUntil,
    /** Waits for the next events, up to and including `ready`. */
    takeUntilReady: () => takeUntil(({ event }) => event === "ready"),
  };
}

export async function subscribe(key: string, { event }: { event?: string } = {}) {
  // A path cannot contain "." or ".." as a segment.
  const path = /^\.{1,2}$/.test(key) ? `/subscribe?key=${key}&` : `/subscribe/${encodeURIComponent(key)}?`;
  const { socket, texts } = await connect(`${path}${event ? `event=${event}` : ""}`, { "x-api-key": "local_dev_key" });
  let taken = 0;
  const events = () => texts.filter((text) => text !== "pong").map((text) => JSON.parse(text) as Event);
  return {
    socket,
    texts,
    /** Waits for the next `count` events. */
    async take(count: number): Promise<Event[]> {
      await expect.poll(() => events().length).toBeGreaterThanOrEqual(taken + count);
      taken += count;
      return events().slice(taken - count, taken);
    },
    /** Fails if any other event was sent: events arrive in order, so the next one must be this last change. */
    async nothingMore(): Promise<void> {
      const { revision } = event === "schema" ? await setSchema(key, true) : await set(key, "last");
      expect((await this.take(1)).map((next) => next.revision)).toEqual([revision]);
    },
  };
}
