// A simulated memX: keys with expect, ttl, delete and Idempotency-Keys, as docs/protocol.md has them. It remembers which
// attempt at a lease wrote each value, which no client can see.

import type { LeaseRequest } from "../../../sdk/typescript/lease-states.ts";
import type { Timeline } from "./timeline.ts";

/** One call of `lease` by one process. */
export type AttemptId = number;

export type Stored = {
  readonly value: unknown;
  readonly revision: number;
  readonly attempt: AttemptId;
  readonly expiresAtMs: number;
  /** When it was sent. */
  readonly sentAtMs: number;
  readonly writtenAtMs: number;
};

export type Reply =
  | { readonly outcome: "applied"; readonly revision: number }
  | { readonly outcome: "conflict"; readonly current: Stored | null }
  | { readonly outcome: "id_reused" };

export class Server {
  revision = 0;
  /** How long it remembers an Idempotency-Key. memX does for 5 minutes. */
  readonly memoryMs: number;
  readonly #timeline: Timeline;
  readonly #entries = new Map<string, Stored>();
  readonly #records = new Map<string, { readonly request: string; readonly response: Reply; readonly atMs: number }>();
  readonly #freedAtMs = new Map<string, number>();
  readonly #watchers = new Set<{ readonly key: string; readonly onFree: () => void }>();

  constructor(timeline: Timeline, memoryMs: number) {
    this.#timeline = timeline;
    this.memoryMs = memoryMs;
  }

  /** Since when the key holds nothing. */
  freeSinceMs(key: string): number | undefined {
    return this.read(key) ? undefined : (this.#freedAtMs.get(key) ?? 0);
  }

  read(key: string): Stored | null {
    const stored = this.#entries.get(key);
    return stored && this.#timeline.nowMs < stored.expiresAtMs ? stored : null;
  }

  write(key: string, request: LeaseRequest, ttlMs: number, attempt: AttemptId, sentAtMs: number): Reply {
    const { nowMs } = this.#timeline;
    const { call, expect, value } = request;
    const text = JSON.stringify(call === "release" ? [key, expect] : [key, expect, value, ttlMs]);
    const record = this.#records.get(request.id);
    if (record && nowMs < record.atMs + this.memoryMs)
      return record.request === text ? record.response : { outcome: "id_reused" };
    const current = this.read(key);
    if ((current?.revision ?? 0) !== request.expect) return { outcome: "conflict", current };
    const revision = ++this.revision;
    if (request.call === "release") this.#remove(key);
    else {
      const expiresAtMs = nowMs + ttlMs;
      const stored = { value: request.value, revision, attempt, expiresAtMs, sentAtMs, writtenAtMs: nowMs };
      this.#entries.set(key, stored);
      this.#timeline.at(expiresAtMs, () => {
        if (this.#entries.get(key) === stored) this.#remove(key);
      });
    }
    const response = { outcome: "applied", revision } as const;
    this.#records.set(request.id, { request: text, response, atMs: nowMs });
    return response;
  }

  watch(key: string, onFree: () => void): () => void {
    const watcher = { key, onFree };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #remove(key: string): void {
    this.#entries.delete(key);
    this.#freedAtMs.set(key, this.#timeline.nowMs);
    for (const watcher of this.#watchers) if (watcher.key === key) watcher.onFree();
  }
}
