// Removes the files of channels that deleted everything they stored. workerd leaves a file of one page with nothing in it.

import { closeSync, existsSync, openSync, readdirSync, readSync, unlinkSync } from "node:fs";
import { join } from "node:path";

/** Page of a database that has no table: the header of the file, and a leaf of a table without cells. */
const HEADER_BYTES = 100;
const LEAF = 13;

/**
 * Call it while no workerd uses the folder: one that has a file open would go on writing to the removed file.
 * @returns the number of removed files
 */
export function removeEmptyFiles(folder: string): number {
  if (!existsSync(folder)) return 0;
  const names = new Set(readdirSync(folder));
  // A log or a journal may have what the file has not.
  const isWhole = (name: string) => !names.has(`${name}-wal`) && !names.has(`${name}-journal`);
  const empty = [...names].filter(
    (name) => /^[0-9a-f]{64}\.sqlite$/.test(name) && isWhole(name) && isEmpty(join(folder, name)),
  );
  for (const name of empty) unlinkSync(join(folder, name));
  return empty.length;
}

/** Whether the database has no table. Its schema is the table that begins on the first page (sqlite.org/fileformat2.html). */
function isEmpty(path: string): boolean {
  const page = Buffer.alloc(HEADER_BYTES + 5);
  const file = openSync(path, "r");
  const length = readSync(file, page, 0, page.length, 0);
  closeSync(file);
  if (length === 0) return true;
  if (length < page.length || page.toString("latin1", 0, 15) !== "SQLite format 3") return false;
  return page[HEADER_BYTES] === LEAF && page.readUInt16BE(HEADER_BYTES + 3) === 0;
}
