// What the agents agree on: the keys, the value of each key, and that every value carries the `run` of its question.
// The memory is a blackboard: after every change an agent looks at the whole board and does what is missing. So agents
// can start in any order and at any time, and entries of an earlier run do no harm.

import type { Entry, MemxError, ValueEvent } from "../../sdk/typescript/index.ts";
import { memx } from "./memory.ts";
import type { Hit } from "./search.ts";

/** The value of each key. */
export interface Values {
  "memx:query": { question: string; asked_at: string; run: string };
  "memx:context": { background: string; concerns: string[]; run: string };
  "memx:search_results:0": { hits: Hit[]; sentences_searched: number; run: string };
  "memx:thoughts:0": { thought: string; run: string };
  "memx:summary": { text: string; sources: string[]; final: boolean; run: string };
  "memx:thoughts:1": { thought: string; hits: Hit[]; run: string };
}
export type Key = keyof Values;

export const KEYS: readonly Key[] = [
  "memx:query",
  "memx:context",
  "memx:search_results:0",
  "memx:thoughts:0",
  "memx:summary",
  "memx:thoughts:1",
];

/** The newest entry of every key. A value that belongs to another question than the current one reads as absent. */
export class Board {
  readonly #entries = new Map<Key, Entry | null>();
  readonly #after: number;

  /** @param after the revision up to which entries belong to the past */
  constructor(after: number) {
    this.#after = after;
  }

  get<K extends Key>(key: K): Values[K] | undefined {
    const value = this.#read(key);
    return value !== undefined && value.run === this.#read("memx:query")?.run ? value : undefined;
  }

  /** Writes to memX and to this board, so that the agent sees its own write at once. */
  async set<K extends Key>(key: K, value: Values[K]): Promise<void> {
    this.note(key, { value, ...(await memx.set(key, value)) });
  }

  note(key: Key, entry: Entry | null): void {
    const known = this.#entries.get(key);
    if (!known || (entry && entry.revision > known.revision)) this.#entries.set(key, entry);
  }

  /** Whether the current question has its final summary. */
  get answered(): boolean {
    return this.get("memx:summary")?.final === true;
  }

  #read<K extends Key>(key: K): Values[K] | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.revision > this.#after ? ((entry.value ?? undefined) as Values[K] | undefined) : undefined;
  }
}

/** Calls `look` at the start and after every change, one call at a time, until the question has its answer. */
export async function attend(look: (board: Board) => Promise<void>): Promise<Board> {
  const board = new Board(await startingRevision());
  await follow(board, () => look(board));
  return board;
}

/** Notes the current entries, then every change. Calls `seen` after each, and ends when the question has its answer. */
export async function follow(board: Board, seen: (event?: ValueEvent) => unknown): Promise<void> {
  const { entries, revision } = await memx.getMany(KEYS);
  for (const [index, key] of KEYS.entries()) board.note(key, entries[index] ?? null);
  await seen();
  if (board.answered) return;
  // From the revision of these entries on, so nothing is missing in between.
  await using changes = memx.subscribe(KEYS, { since: revision, onStatus: (_, error) => error && complain(error) });
  for await (const event of changes) {
    board.note(event.key as Key, event.action === "set" ? event : null);
    await seen(event);
    if (board.answered) return;
  }
}

function complain({ message }: MemxError): void {
  console.error(`${message} Reconnecting.`);
}

/**
 * Returns the revision up to which entries belong to the past. The launcher sets it. For an agent that is started by
 * hand it is the final summary, if that answers the current question. A question without an answer is not past: it
 * still waits.
 */
export async function startingRevision(): Promise<number> {
  if (process.env.MEMX_AFTER !== undefined) return Number(process.env.MEMX_AFTER);
  const board = new Board(0);
  const [summary = null, query = null] = (await memx.getMany(["memx:summary", "memx:query"])).entries;
  board.note("memx:summary", summary);
  board.note("memx:query", query);
  return summary && board.answered ? summary.revision : 0;
}
