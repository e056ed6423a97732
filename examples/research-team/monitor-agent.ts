// MonitorAgent prints a line for every change as it happens. It writes nothing, and no agent waits for it.

import { memx } from "./memory.ts";
import { Board, follow, KEYS, startingRevision } from "./team.ts";

const after = await startingRevision();
const board = new Board(after);
let last = after;

await follow(board, async (event) => {
  if (event) return event.action === "set" && print(event);
  // The entries that were there when it started, oldest first.
  const { entries: found } = await memx.getMany(KEYS);
  const entries = found.map((entry, index) => ({ key: KEYS[index] as string, ...entry }));
  const current = entries.filter(({ revision = 0 }) => revision > after);
  for (const entry of current.sort((a, b) => (a.revision ?? 0) - (b.revision ?? 0))) print(entry);
});

function print({
  key,
  value,
  ts = 0,
  revision = 0,
  by = "",
}: {
  key: string;
  value?: unknown;
  ts?: number;
  revision?: number;
  by?: string;
}): void {
  if (revision <= last) return;
  last = revision;
  const time = new Date(ts * 1000).toISOString().slice(11, 23);
  const text = JSON.stringify(value);
  const short = text.length > 100 ? `${text.slice(0, 99)}…` : text;
  console.log(`${time}  ${key.padEnd(21)}  r${revision}  ${by.padEnd(11)}  ${short}`);
}
