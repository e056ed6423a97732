// What the team has agreed on: the keys, what stands under each, and that all of it carries the `run` of its question.
// The memory is a blackboard. An agent looks at the whole board after every change and does what is missing, so it does
// not matter who starts first, who comes late and what an earlier run has left behind.

import { type Entry, get, set, watch } from "./memory.ts";
import type { Hit } from "./search.ts";

/** What stands under each key. */
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

/** The newest entry of every key, seen from the current question: what belongs to another one reads as absent. */
export class Board {
  readonly #entries = new Map<Key, Entry | null>();
  readonly #after: number;

  /** @param after the revision up to which everything belongs to the past. */
  constructor(after: number) {
    this.#after = after;
  }

  get<K extends Key>(key: K): Values[K] | undefined {
    const value = this.#read(key);
    return value !== undefined && value.run === this.#read("memx:query")?.run ? value : undefined;
  }

  /** Writes to memX, and here at once, so that the next look at the board already finds it. */
  async set<K extends Key>(key: K, value: Values[K]): Promise<void> {
    this.note(key, await set(key, value));
  }

  note(key: Key, entry: Entry | null): void {
    const known = this.#entries.get(key);
    if (!known || (entry && entry.revision > known.revision)) this.#entries.set(key, entry);
  }

  /** Whether every key has been looked at. Before that, something absent may only not have been read yet. */
  get complete(): boolean {
    return KEYS.every((key) => this.#entries.has(key));
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

/** Calls `look` on the complete board and after every change, one call at a time, until the question is answered. */
export async function attend(look: (board: Board) => Promise<void>): Promise<Board> {
  const board = new Board(await startingRevision());
  const stop = new AbortController();
  const failed = Promise.withResolvers<never>();
  let turn = Promise.resolve();
  const watching = KEYS.map((key) =>
    watch(
      key,
      (entry) => {
        board.note(key, entry);
        turn = turn.then(takeTurn).catch(failed.reject);
      },
      stop.signal,
    ),
  );
  async function takeTurn(): Promise<void> {
    if (!board.complete || stop.signal.aborted) return;
    await look(board);
    if (board.answered) stop.abort();
  }
  await Promise.race([Promise.all(watching), failed.promise]);
  return board;
}

/**
 * Up to where the past reaches: what the launcher says, or for an agent started by hand, the final summary that already
 * answers the standing question. A standing question without an answer is not past, it is waiting for us.
 */
export async function startingRevision(): Promise<number> {
  if (process.env.MEMX_AFTER !== undefined) return Number(process.env.MEMX_AFTER);
  const board = new Board(0);
  const summary = await get("memx:summary");
  board.note("memx:summary", summary);
  board.note("memx:query", await get("memx:query"));
  return summary && board.answered ? summary.revision : 0;
}
