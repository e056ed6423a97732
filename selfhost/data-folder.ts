// The folder with workerd's data, for one memX at a time: two would each trust their own cache of the same files. No other
// user of this machine can read the data.

import { accessSync, chmodSync, constants, mkdirSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EMBEDDED_VERSION } from "../config/store-versions.ts";

const SQLITE_BUSY = 5;

/** What memX itself keeps in the folder: its lock, a folder for each class of Durable Objects, and one for each process. */
const OWN_FILES = /^(lock\.sqlite.*|channel|store|process-\d+)$/;

/** Holds SQLite's file lock, which the system releases however the process ends. Never garbage-collected. */
let lock: DatabaseSync | undefined;

/**
 * Creates the folder if it is missing, locks it for this process, closes it to other users, and returns its absolute path.
 * What this process and its children create from now on is closed to other users, too.
 *
 * @throws {Error} with one sentence for the operator
 */
export function openDataFolder(path: string): string {
  const folder = resolve(path);
  process.umask(0o077);
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
  claimVersion(lock, folder);
  closeToOthers(folder);
  return folder;
}

/** The part of the folder for one of several processes, which must not share what workerd stores. */
export function processFolder(dataFolder: string, number: number): string {
  const folder = join(dataFolder, `process-${number}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Notes in the lock which version of the data this memX may write.
 * @throws {Error} with one sentence for the operator, if a newer one may have written there
 */
function claimVersion(lock: DatabaseSync, folder: string): void {
  const version = Number(lock.prepare("PRAGMA user_version").get()?.user_version);
  if (version > EMBEDDED_VERSION) {
    lock.close();
    throw new Error(
      `A newer memX has written the data in ${folder} (version ${version}; this memX reads up to ${EMBEDDED_VERSION}). ` +
        "Run that version again, or set MEMX_DATA_DIR to another folder.",
    );
  }
  if (version < EMBEDDED_VERSION) lock.exec(`PRAGMA user_version = ${EMBEDDED_VERSION}; COMMIT; BEGIN EXCLUSIVE;`);
}

/** A folder with other files in it stays as it is: the operator may share it on purpose, or have named the wrong one. */
function closeToOthers(folder: string): void {
  const mode = modeOf(folder);
  const names = readdirSync(folder);
  const own = names.filter((name) => OWN_FILES.test(name));
  const paths = own.map((name) => join(folder, name));
  if (own.length === names.length) paths.unshift(folder);
  let failure = "its file system does not support that";
  try {
    for (const path of paths) close(path);
  } catch (error) {
    failure = (error as NodeJS.ErrnoException).code ?? failure;
  }
  const shown = `the data folder ${folder} (mode ${(mode & 0o777).toString(8)})`;
  if (paths.some((path) => isOpen(modeOf(path)))) {
    console.warn(`Other users can read ${shown}, and memX cannot change that (${failure}). Run: chmod 700 ${folder}`);
  } else if (isOpen(modeOf(folder))) {
    console.warn(
      `Other users can read ${shown}. It contains other files, so memX has closed only its own files in it. ` +
        "Set MEMX_DATA_DIR to a folder for memX alone.",
    );
  } else if (isOpen(mode)) {
    console.warn(`Other users could read ${shown}. memX has closed it to them (mode 700).`);
  }
}

/** Takes all rights from other users, in a folder first: what it contains is then out of their reach already. */
function close(path: string): void {
  const stats = statSync(path);
  if (!isOpen(stats.mode)) return;
  chmodSync(path, stats.mode & 0o700);
  if (!stats.isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (!entry.isSymbolicLink()) close(join(path, entry.name));
  }
}

function modeOf(path: string): number {
  return statSync(path).mode;
}

function isOpen(mode: number): boolean {
  return (mode & 0o077) !== 0;
}
