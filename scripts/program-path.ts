// Where a program is: PostgreSQL's server programs are not on the path of Debian.

import { existsSync, globSync } from "node:fs";
import { join } from "node:path";

/** The program itself where it is in no other place, for the path to find. */
export function programPath(program: string): string {
  const folders = globSync("/usr/lib/postgresql/*/bin").sort((a, b) => version(b) - version(a));
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? program;
}

const version = (folder: string) => Number(folder.split("/").at(-2));
