// The folder that workerd keeps its data in, for one memX at a time: two on the same files would each believe their own memory.

import { accessSync, constants, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

const SQLITE_BUSY = 5;

/** SQLite's own lock, because the system lets go of it when the process ends, however it does. Kept from being collected. */
let lock: DatabaseSync | undefined;

/**
 * The absolute path of the folder, which is made if it is missing, and is this process's own from now on.
 * @throws one sentence for people
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
      throw new Error(`Another memX uses the data in ${folder}: end it, or set MEMX_DATA_DIR to another folder.`);
    }
    throw new Error(`MEMX_DATA_DIR: ${folder} is not a folder that memX can write to (${(error as Error).message}).`);
  }
  return folder;
}
