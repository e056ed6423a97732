// MonitorAgent watches: a line for every change, as it happens. It writes nothing and nobody waits for it.

import { type Entry, watch } from "./memory.ts";
import { Board, KEYS, startingRevision } from "./team.ts";

const after = await startingRevision();
const board = new Board(after);
const stop = new AbortController();

await Promise.all(
  KEYS.map((key) =>
    watch(
      key,
      (entry) => {
        if (entry && entry.revision > after) console.log(line(key, entry));
        board.note(key, entry);
        // Each key has its own connection, so the last summary may overtake what came before it under other keys.
        if (board.answered && KEYS.every((each) => board.get(each))) stop.abort();
      },
      stop.signal,
    ),
  ),
);

function line(key: string, { value, ts, revision }: Entry): string {
  const time = new Date(ts * 1000).toISOString().slice(11, 23);
  const text = JSON.stringify(value);
  const short = text.length > 100 ? `${text.slice(0, 99)}…` : text;
  return `${time}  ${key.padEnd(21)}  r${revision}  ${short}`;
}
