// What a process and a folder take of the machine, and which processes memX has.

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Resident memory of a process, in MiB. */
export function rssOf(pid: number | undefined): number {
  return Math.round(Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1024);
}

/** Files under a folder, and their size in MiB. */
export function diskUsage(folder: string): { files: number; mib: number } {
  let [files, bytes] = [0, 0];
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    // SQLite removes files meanwhile.
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    if (!found?.isFile()) continue;
    files++;
    bytes += found.size;
  }
  return { files, mib: Math.round(bytes / 2 ** 20) };
}

/** The process ids of all workerd that this process has started and that run. */
export function workerdsOf(parent: number | undefined): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,command="], { encoding: "utf8" }).split("\n");
  const processes = lines.map((line) => line.trim().split(/\s+/));
  const found = processes.filter(([, ppid, command]) => Number(ppid) === parent && command?.endsWith("/workerd"));
  return found.map(([pid]) => Number(pid));
}
