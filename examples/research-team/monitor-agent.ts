// MonitorAgent watches: a line for every change, as it happens. It writes nothing and nobody waits for it.

import { type Entry, watch } from "./memory.ts";
import { Board, KEYS, type Key, startingRevision } from "./team.ts";

const after = await startingRevision();
const board = new Board(after);
const stop = new AbortController();
let unprinted: { key: Key; entry: Entry }[] = [];

await Promise.all(KEYS.map((key) => watch(key, (entry) => see(key, entry), stop.signal)));

function see(key: Key, entry: Entry | null): void {
  board.note(key, entry);
  if (entry && entry.revision > after) unprinted.push({ key, entry });
  // What already stands comes in any order, a connection per key, and is put in order once all of it has come.
  if (!board.complete) return;
  for (const { key, entry } of unprinted.sort((a, b) => a.entry.revision - b.entry.revision))
    console.log(line(key, entry));
  unprinted = [];
  // For the same reason the last summary may overtake a change under another key, which is still waited for.
  if (board.answered && KEYS.every((each) => board.get(each))) stop.abort();
}

function line(key: Key, { value, ts, revision }: Entry): string {
  const time = new Date(ts * 1000).toISOString().slice(11, 23);
  const text = JSON.stringify(value);
  const short = text.length > 100 ? `${text.slice(0, 99)}…` : text;
  return `${time}  ${key.padEnd(21)}  r${revision}  ${short}`;
}
