// A session of the OpenAI Agents SDK in memX, which several processes may share. The head of a session is a key that says which
// segments it has; a segment is a key with the items of one call of `addItems`. Every change writes the head with `expect`, in one
// batch with the segments, so changes follow one another.

import type {
  AgentInputItem,
  SessionHistoryTransactionArgs,
  SessionHistoryTransactionAwareSession,
} from "@openai/agents-core";
import { pause } from "../backoff.ts";
import { randomId } from "../calls.ts";
import { ConflictError, InvalidRequestError } from "../errors.ts";
import type { MemX } from "../memx.ts";
import type { BatchOperation, Entry } from "../types.ts";
import { inGroups } from "./groups.ts";
import { encodeSegment } from "./segments.ts";

/** Bytes of a segment: a value of memX has at most 256 KiB. An item that is larger is refused. */
const MAX_SEGMENT_BYTES = 250 * 1024;
/** Bytes of the items of one step: a batch of memX has at most 1 MiB. */
const MAX_STEP_BYTES = 900 * 1024;
/** So many segments fit in one response of memX with the head, however large they are. */
const MAX_READ = 15;
const MAX_DELETED = 100;
const MAX_ATTEMPTS = 1_000;

export type MemxSessionOptions = {
  /** Identifies the conversation. @default a random text */
  readonly sessionId?: string;
  /** The start of the keys of all sessions. @default "sessions/" */
  readonly prefix?: string;
  /** Seconds for which the session knows a transaction, so that its replay changes nothing. @default 30 days */
  readonly receiptSeconds?: number;
};

/**
 * The session has the segments from `first` to before `next`. `rewrites` counts the changes that did not only add some, and
 * `clears` those that began the session anew.
 */
type Head = { readonly first: number; readonly next: number; readonly rewrites: number; readonly clears: number };
type Version = Head & { readonly revision: number };
type Segment = { readonly number: number; readonly items: AgentInputItem[] };

/** What takes the place of the segments from `from` on. */
type Change = {
  readonly from: number;
  readonly items: readonly AgentInputItem[];
  readonly clear?: boolean;
  readonly receipt?: BatchOperation;
};

/**
 * A session in memX.
 *
 * @example
 * const session = new MemxSession(new MemX(), { sessionId: "ada" });
 * await run(agent, "What did I ask you yesterday?", { session });
 */
export class MemxSession implements SessionHistoryTransactionAwareSession {
  readonly #memx: MemX;
  readonly #id: string;
  readonly #key: string;
  readonly #receiptSeconds: number;

  constructor(memx: MemX, options: MemxSessionOptions = {}) {
    const { sessionId = randomId(), prefix = "sessions/", receiptSeconds = 30 * 24 * 60 * 60 } = options;
    this.#memx = memx;
    this.#id = sessionId;
    this.#key = prefix + encodeSegment(sessionId);
    this.#receiptSeconds = receiptSeconds;
  }

  async getSessionId(): Promise<string> {
    return this.#id;
  }

  /** Returns the items, or the newest `limit` of them, in order. */
  async getItems(limit = Number.POSITIVE_INFINITY): Promise<AgentInputItem[]> {
    if (limit <= 0) return [];
    const items = (await this.#readBack(limit)).segments.flatMap((segment) => segment.items);
    return limit < items.length ? items.slice(items.length - limit) : items;
  }

  /** Adds items in one step. Items of more than 900 KiB together need several steps, and others may add in between. */
  async addItems(items: AgentInputItem[]): Promise<void> {
    for (const step of inGroups(items, Number.POSITIVE_INFINITY, MAX_STEP_BYTES)) {
      await this.#change(async ({ next }) => ({ from: next, items: step }));
    }
  }

  /** Removes the newest item, and returns it. */
  async popItem(): Promise<AgentInputItem | undefined> {
    let popped: AgentInputItem | undefined;
    await this.#change(async () => {
      const { segments } = await this.#readBack(1);
      const last = segments.at(-1);
      popped = last?.items.at(-1);
      return last && { from: last.number, items: last.items.slice(0, -1) };
    });
    return popped;
  }

  /** Removes all items in one step. */
  async clearSession(): Promise<void> {
    let before: Version | undefined;
    await this.#change(async (head) => {
      before = head;
      return { from: head.next, items: [], clear: true };
    });
    if (!before) return;
    // What is left of the segments if this is interrupted belongs to no session.
    const { first, next } = before;
    const keys = Array.from({ length: next - first }, (_, index) => this.#segmentKey(first + index));
    for (const group of inGroups(keys, MAX_DELETED)) {
      await this.#memx.batch(group.map((key) => ({ op: "delete", key })));
    }
  }

  /**
   * Adds items, or replaces the newest ones, once for each `operationId`, however often it is called.
   *
   * @throws {ConflictError} if the newest items are not `expectedSuffix`, or the `operationId` was that of another transaction
   */
  async applyHistoryTransaction({ operationId, transaction }: SessionHistoryTransactionArgs): Promise<void> {
    const value = await sha256(canonical(transaction));
    await this.#change(async (head) => {
      const key = `${this.#key}/%operation/${head.clears}/${encodeSegment(operationId)}`;
      const receipt: BatchOperation = { op: "set", key, value, expect: 0, ttl: this.#receiptSeconds };
      const known = await this.#memx.get(key);
      if (known && known.value !== value) {
        throw new ConflictError("conflict", `The operation ${operationId} was another transaction.`, { key });
      }
      if (known) return undefined;
      if (transaction.type === "append_items") return { from: head.next, items: transaction.items, receipt };
      const { expectedSuffix, replacement } = transaction;
      if (expectedSuffix.length === 0) return { from: head.next, items: replacement, receipt };
      const { segments } = await this.#readBack(expectedSuffix.length);
      const items = segments.flatMap((segment) => segment.items);
      const kept = items.slice(0, Math.max(0, items.length - expectedSuffix.length));
      if (canonical(items.slice(kept.length)) !== canonical(expectedSuffix)) {
        throw new ConflictError("conflict", "The newest items of the session are not `expectedSuffix`.", {
          key: this.#key,
        });
      }
      return { from: segments[0]?.number ?? head.next, items: [...kept, ...replacement], receipt };
    });
  }

  /** Reads segments from the end, until they have so many items. All of them are of one moment. */
  async #readBack(wanted: number): Promise<{ head: Version; segments: Segment[] }> {
    for (;;) {
      const head = await this.#readHead();
      const segments: Segment[] = [];
      let count = 0;
      let isCurrent = true;
      for (let end = head.next; isCurrent && end > head.first && count < wanted; end -= MAX_READ) {
        const numbers = range(Math.max(head.first, end - MAX_READ), end);
        const { entries } = await this.#memx.getMany<unknown>([this.#key, ...numbers.map((n) => this.#segmentKey(n))]);
        const [current, ...found] = entries;
        isCurrent = (current?.value as Head | undefined)?.rewrites === head.rewrites;
        const read = numbers.map((number, at) => ({ number, items: (found[at]?.value ?? []) as AgentInputItem[] }));
        segments.unshift(...read);
        count += read.reduce((sum, { items }) => sum + items.length, 0);
      }
      // Only the segments that the newest items are in.
      while (isCurrent && segments[0] && count - segments[0].items.length >= wanted) {
        count -= (segments.shift() as Segment).items.length;
      }
      if (isCurrent) return { head, segments };
    }
  }

  async #readHead(): Promise<Version> {
    const entry: Entry<Head> | null = await this.#memx.get(this.#key);
    return { ...(entry?.value ?? { first: 0, next: 0, rewrites: 0, clears: 0 }), revision: entry?.revision ?? 0 };
  }

  /** Changes the session in one step, again if another process has changed it meanwhile. */
  async #change(plan: (head: Version) => Promise<Change | undefined>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const head = await this.#readHead();
      const change = await plan(head);
      if (!change) return;
      const { from, items, clear = false, receipt } = change;
      const segments = inGroups(items, Number.POSITIVE_INFINITY, MAX_SEGMENT_BYTES);
      const next = from + segments.length;
      const value: Head = {
        first: clear ? from : head.first,
        next,
        rewrites: head.rewrites + (from < head.next || clear ? 1 : 0),
        clears: head.clears + (clear ? 1 : 0),
      };
      const operations: BatchOperation[] = [
        { op: "set", key: this.#key, value, expect: head.revision },
        ...segments.map((each, at) => ({ op: "set", key: this.#segmentKey(from + at), value: each }) as const),
        ...range(next, head.next).map((number) => ({ op: "delete", key: this.#segmentKey(number) }) as const),
        ...(receipt ? [receipt] : []),
      ];
      try {
        await this.#memx.batch(operations);
        return;
      } catch (error) {
        if (!(error instanceof ConflictError) || attempt >= MAX_ATTEMPTS) throw error;
        if (attempt > 0) await pause(Math.random() * Math.min(500, 10 * 2 ** attempt));
      }
    }
  }

  /** In the order of their numbers. */
  #segmentKey(number: number): string {
    return `${this.#key}/${String(number).padStart(12, "0")}`;
  }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
}

/** JSON with the members of every object in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each) => {
    if (each instanceof Uint8Array) throw new InvalidRequestError("invalid_request", "An item must be JSON.");
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
