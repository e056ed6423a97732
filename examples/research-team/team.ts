// What the team has agreed on: the keys, what stands under each, and that all of it carries the `run` of its question.
// The memory is a blackboard. An agent looks at the whole board after every change and does what is missing, so it does
// not matter who starts first, who comes late and what an earlier run has left behind.

import type { Entry, ValueEvent } from "../../sdk/typescript/index.ts";
import { memx } from "./memory.ts";
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

/** Calls `look` on the whole board and after every change, one call at a time, until the question is answered. */
export async function attend(look: (board: Board) => Promise<void>): Promise<Board> {
  const board = new Board(await startingRevision());
  await follow(board, () => look(board));
  return board;
}

/** Notes what stands, and from then on every change; calls `seen` after each, and ends when the question is answered. */
export async function follow(board: Board, seen: (event?: ValueEvent) => unknown): Promise<void> {
  // Live first, read second: a change in between is seen twice rather than never.
  await using changes = memx.subscribe(KEYS, { onStatus: (status) => status === "connecting" && complain() });
  await changes.ready;
  await Promise.all(KEYS.map(async (key) => board.note(key, await memx.get(key))));
  await seen();
  if (board.answered) return;
  for await (const event of changes) {
    board.note(event.key as Key, event.action === "set" ? event : null);
    await seen(event);
    if (board.answered) return;
  }
}

function complain(): void {
  console.error("memX: lost the connection, connecting again");
}

/**
 * Up to where the past reaches: what the launcher says, or for an agent started by hand, the final summary that already
 * answers the standing question. A standing question without an answer is not past, it is waiting for us.
 */
export async function startingRevision(): Promise<number> {
  if (process.env.MEMX_AFTER !== undefined) return Number(process.env.MEMX_AFTER);
  const board = new Board(0);
  const summary = await memx.get("memx:summary");
  board.note("memx:summary", summary);
  board.note("memx:query", await memx.get("memx:query"));
  return summary && board.answered ? summary.revision : 0;
}
