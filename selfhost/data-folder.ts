// The folder with workerd's data, for one memX at a time: two would each trust their own cache of the same files.

import { accessSync, constants, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

const SQLITE_BUSY = 5;

/** Holds SQLite's file lock, which the system releases however the process ends. Never garbage-collected. */
let lock: DatabaseSync | undefined;

/**
 * Creates the folder if it is missing, locks it for this process, and returns its absolute path.
 * @throws {Error} with one sentence for the operator
 */
export function openDataFolder(path: string): string {
  const folder = resolve(path);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    lock = new DatabaseSync(join(folder, "lock.sqlite"));
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new Error(`Another memX uses the data in ${folder}. Stop it, or set MEMX_DATA_DIR to another folder.`);
    }
    throw new Error(`MEMX_DATA_DIR: memX cannot write to the folder ${folder} (${(error as Error).message}).`);
  }
  return folder;
}
