// A whole memX client on what Node brings along: get and set over HTTP, watch over WebSocket. It keeps trying while memX
// is away and throws only when memX refuses. The published SDK does more; this shows how little is needed.

import { setTimeout as delay } from "node:timers/promises";

export const BASE_URL = (process.env.MEMX_BASE_URL ?? "http://127.0.0.1:8000").replace(/\/+$/, "");
const headers = { "x-api-key": process.env.MEMX_API_KEY ?? "agent_key_1" };
const PING_EVERY_MS = 25_000;

/** What a key holds. The revision counts every change in the memory, so it says which of two entries is newer. */
export interface Entry {
  readonly value: unknown;
  readonly ts: number;
  readonly revision: number;
}

/** What the key holds now, or null where it holds nothing. */
export function get(key: string, signal?: AbortSignal) {
  return request(`/get?key=${encodeURIComponent(key)}`, { headers }, signal) as Promise<Entry | null>;
}

export async function set(key: string, value: unknown): Promise<Entry> {
  const init = {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ key, value }),
  };
  const { ts, revision } = (await request("/set", init)) as Entry;
  return { value, ts, revision };
}

/**
 * Tells what the key holds, once, and from then on every change, never an older one after a newer one. Null means that
 * it holds nothing yet. Survives lost connections; ends with the signal, and throws when memX refuses the subscription.
 */
export async function watch(key: string, onEntry: (entry: Entry | null) => void, signal: AbortSignal): Promise<void> {
  let last = -1;
  const offer = (entry: Entry | null) => {
    const revision = entry?.revision ?? 0;
    if (revision <= last || signal.aborted) return;
    last = revision;
    onEntry(entry);
  };
  while (!signal.aborted) {
    const { code, reason } = await listen(key, offer, signal);
    if (code >= 4400 && code < 4500) throw new Error(`memX refused to subscribe to ${key}: ${reason || code}`);
    if (signal.aborted) return;
    complain(`lost a connection (${code}), connecting again`);
    await pause(signal);
  }
}

/** One connection, until it closes. */
function listen(key: string, offer: (entry: Entry | null) => void, signal: AbortSignal) {
  return new Promise<{ code: number; reason: string }>((resolve, reject) => {
    // Node takes headers in the second argument; the type only knows subprotocols there.
    const url = `${BASE_URL}/subscribe/${encodeURIComponent(key)}`.replace(/^http/, "ws");
    const socket = new WebSocket(url, { headers } as unknown as string[]);
    let heard = false;
    const end = (code: number, reason: string) => {
      clearInterval(heartbeat);
      signal.removeEventListener("abort", leave);
      socket.close();
      resolve({ code, reason });
    };
    const leave = () => end(1000, "");
    signal.addEventListener("abort", leave);
    // An idle connection can die without a word: an interval without any answer counts as closed.
    const heartbeat = setInterval(() => {
      if (!heard) return end(1006, "silent");
      heard = false;
      socket.send("ping");
    }, PING_EVERY_MS);

    // Subscribed first, read second: a change in between arrives twice rather than never.
    socket.addEventListener("open", () => {
      heard = true;
      get(key, signal).then(offer, (error) => (signal.aborted ? undefined : reject(error)));
    });
    socket.addEventListener("message", ({ data }) => {
      heard = true;
      if (data === "pong") return;
      const { event, value = null, ts, revision } = JSON.parse(String(data));
      if (event === "value") offer({ value, ts, revision });
    });
    socket.addEventListener("close", ({ code, reason }) => end(code, reason));
  });
}

/** Asks until memX answers. A write may so arrive twice, which does no harm here: it says the same thing both times. */
async function request(path: string, init: RequestInit, signal?: AbortSignal): Promise<unknown> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      const response = await fetch(BASE_URL + path, { ...init, signal: AbortSignal.timeout(10_000) });
      const text = await response.text();
      if (response.ok) return JSON.parse(text);
      if (response.status < 500 && response.status !== 429) throw new Refusal(`${response.status} on ${path}: ${text}`);
      complain(`${response.status} on ${path}: ${text}`);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      complain(`no answer from ${BASE_URL}, trying again. Is memX running? Start it with \`make dev\``);
    }
    await pause(signal);
  }
}

class Refusal extends Error {}

// An aborted pause is over, not an error: the caller looks at the signal next.
const pause = (signal?: AbortSignal) => delay(500, undefined, signal ? { signal } : {}).catch(() => {});

// At most one line in five seconds: an outage is met by every connection at once.
let quietUntil = 0;
function complain(text: string): void {
  if (Date.now() < quietUntil) return;
  quietUntil = Date.now() + 5_000;
  console.error(`memX: ${text}`);
}
