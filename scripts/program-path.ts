// Finds a program. Debian does not put PostgreSQL's server programs on the path.

import { existsSync, globSync } from "node:fs";
import { join } from "node:path";

/** Returns the bare name if the program is in no PostgreSQL folder, so that the path finds it. */
export function programPath(program: string): string {
  const folders = globSync("/usr/lib/postgresql/*/bin").sort((a, b) => version(b) - version(a));
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? program;
}

const version = (folder: string) => Number(folder.split("/").at(-2));
