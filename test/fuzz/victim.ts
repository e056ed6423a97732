// An innocent caller that measures how memX treats it: at fixed moments it writes a value, reads one, and waits for its own
// subscription to deliver the write. It also notices each refused call and each write that was lost.

import { Agent, request } from "node:http";
import { performance } from "node:perf_hooks";

export type Latency = { readonly count: number; readonly p50: number; readonly p99: number; readonly max: number };
export type VictimReport = {
  /** In milliseconds from the moment at which the call was due, so a stall counts for every call that it delays. */
  readonly latency: { readonly set: Latency; readonly get: Latency; readonly delivery: Latency };
  readonly reconnects: number;
};

/** Milliseconds between two pairs of calls. 400 calls in 10 seconds are far below the rate limit. */
const INTERVAL_MS = 50;
const KEYS = 10;
/** More than this many calls without a response are a hang. */
const MAX_IN_FLIGHT = 4_000;

type Response = { status: number; text: string };
type Event = { event: string; key: string; value?: { n: number }; revision: number };

/** Starts a victim. Nothing it does depends on how fast memX is. */
export class Victim {
  readonly faults: string[] = [];
  readonly #port: number;
  readonly #apiKey: string;
  readonly #agent = new Agent({ keepAlive: true });
  /** Of each write: when it was due, and the revision that memX acknowledged. */
  readonly #dueMs = new Map<number, number>();
  readonly #acknowledged = new Map<number, number>();
  readonly #delivered = new Map<number, number>();
  #times = { set: [] as number[], get: [] as number[], delivery: [] as number[] };
  #n = 0;
  /** When each call without a response was due. */
  readonly #inFlight = new Set<{ kind: "set" | "get"; dueMs: number }>();
  #since = 0;
  #isSafe = false;
  #reconnects = 0;
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(port: number, apiKey: string) {
    this.#port = port;
    this.#apiKey = apiKey;
  }

  /** Resolves when the subscription stands. */
  async start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#follow(first.resolve);
    await first.promise;
    let dueMs = performance.now();
    const next = () => {
      // Catches up after a late timer, so that the load stays the same.
      for (; dueMs <= performance.now(); dueMs += INTERVAL_MS) this.#tick(dueMs);
      this.#timer = setTimeout(next, Math.ceil(dueMs - performance.now()));
    };
    next();
  }

  /** Returns the figures since the last report. A call without a response counts with the time that it has waited. */
  report(): VictimReport {
    for (const { kind, dueMs } of this.#inFlight) this.#times[kind].push(performance.now() - dueMs);
    const { set, get, delivery } = this.#times;
    this.#times = { set: [], get: [], delivery: [] };
    const latency = { set: latencyOf(set), get: latencyOf(get), delivery: latencyOf(delivery) };
    return { latency, reconnects: this.#reconnects };
  }

  stopWriting(): void {
    clearTimeout(this.#timer);
  }

  /** Calls that have no response yet. */
  unanswered(): number {
    return this.#inFlight.size;
  }

  /** Acknowledged writes that the subscription has not delivered. */
  undelivered(): number[] {
    return [...this.#acknowledged.keys()].filter((n) => !this.#delivered.has(n));
  }

  /** Adds a fault for each acknowledged write whose value or revision is not what memX stored or delivered. */
  async check(): Promise<void> {
    for (const [n, revision] of this.#acknowledged) {
      const delivered = this.#delivered.get(n);
      if (delivered !== revision) this.#fault(`write ${n} has revision ${revision}, and was delivered as ${delivered}`);
    }
    const last = new Map<string, number>();
    for (const [n, revision] of this.#acknowledged) {
      if (revision > (this.#acknowledged.get(last.get(keyOf(n)) ?? -1) ?? 0)) last.set(keyOf(n), n);
    }
    for (const [key, n] of last) {
      const { status, text } = await this.#send("GET", `/get?key=${key}`);
      const stored = status === 200 ? (JSON.parse(text) as Event | null) : undefined;
      const isStored = stored?.value?.n === n && stored.revision === this.#acknowledged.get(n);
      // A write without an acknowledgment may be in its place, with a later revision.
      const isLater =
        (stored?.revision ?? 0) > (this.#acknowledged.get(n) ?? 0) && !this.#acknowledged.has(stored?.value?.n ?? -1);
      if (!isStored && !isLater) this.#fault(`${key} must hold write ${n}, and holds ${text.slice(0, 200)}`);
    }
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#agent.destroy();
  }

  #tick(dueMs: number): void {
    if (this.#inFlight.size >= MAX_IN_FLIGHT) {
      this.#fault(`${MAX_IN_FLIGHT} calls have no response`);
      return;
    }
    const n = this.#n++;
    this.#dueMs.set(n, dueMs);
    this.#call("set", dueMs, "POST", "/set", JSON.stringify({ key: keyOf(n), value: { n } }), (text) => {
      this.#acknowledged.set(n, (JSON.parse(text) as Event).revision);
    });
    this.#call("get", dueMs, "GET", `/get?key=${keyOf(n + 1)}`, undefined, () => undefined);
  }

  async #call(
    kind: "set" | "get",
    dueMs: number,
    method: string,
    path: string,
    body: string | undefined,
    succeed: (text: string) => void,
  ): Promise<void> {
    const call = { kind, dueMs };
    this.#inFlight.add(call);
    try {
      const { status, text } = await this.#send(method, path, body, kind === "set" ? `victim-${dueMs}` : undefined);
      this.#times[kind].push(performance.now() - dueMs);
      if (status === 200) succeed(text);
      else this.#fault(`${method} ${path}: ${status} ${text.slice(0, 200)}`);
    } catch (error) {
      this.#fault(`${method} ${path}: ${error}`);
    } finally {
      this.#inFlight.delete(call);
    }
  }

  async #send(method: string, path: string, body?: string, idempotencyKey?: string): Promise<Response> {
    for (;;) {
      const response = await this.#sendOnce(method, path, body, idempotencyKey);
      if (response !== "stale") return response;
    }
  }

  /** Resolves with "stale" if the server had closed the idle connection, which says nothing about the call. */
  #sendOnce(method: string, path: string, body?: string, idempotencyKey?: string): Promise<Response | "stale"> {
    return new Promise((resolve, reject) => {
      const headers = {
        "x-api-key": this.#apiKey,
        ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
      };
      const sent = request({ host: "127.0.0.1", port: this.#port, method, path, agent: this.#agent, headers });
      sent.on("error", (error: NodeJS.ErrnoException) => {
        if (sent.reusedSocket && error.code === "ECONNRESET") resolve("stale");
        else reject(error);
      });
      sent.on("response", (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => (text += chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.end(body);
    });
  }

  /** Follows its own keys, and reconnects with the revision that it has reached. */
  #follow(ready: () => void): void {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}/watch?pattern=*&since=${this.#since}`, {
      protocols: ["memx.v1"],
      headers: { "x-api-key": this.#apiKey },
    } as never);
    this.#socket = socket;
    const ping = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send("ping"), 10_000);
    socket.addEventListener("message", ({ data }) => {
      if (data === "pong") return;
      const event = JSON.parse(data as string) as Event;
      if (event.event === "reset") return this.#fault("the subscription got a reset");
      if (event.event === "ready") {
        this.#isSafe = true;
        ready();
      } else if (event.value) this.#deliver(event.value.n, event.revision);
      if (this.#isSafe) this.#since = event.revision;
    });
    socket.addEventListener("error", () => undefined);
    socket.addEventListener("close", ({ code, reason }) => {
      clearInterval(ping);
      if (this.#isOver) return;
      this.#reconnects++;
      // memX may ask clients to come back, but never with a final code.
      if (code >= 4000) this.#fault(`the subscription closed with ${code} ${reason}`);
      setTimeout(() => this.#isOver || this.#follow(ready), 100);
    });
  }

  #deliver(n: number, revision: number): void {
    const before = this.#delivered.get(n);
    if (before !== undefined && before !== revision)
      this.#fault(`write ${n} was delivered as ${before} and ${revision}`);
    this.#delivered.set(n, revision);
    if (before === undefined) this.#times.delivery.push(performance.now() - (this.#dueMs.get(n) ?? 0));
  }

  /** Keeps the first faults: a stall would repeat the same one a thousand times. */
  #fault(fault: string): void {
    if (this.faults.length < 20) this.faults.push(fault);
  }
}

const keyOf = (n: number) => `v:${n % KEYS}`;

function latencyOf(ms: number[]): Latency {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (part: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) * 10) / 10;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
