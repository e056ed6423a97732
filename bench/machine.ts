// What it was measured on and with: numbers without it say nothing.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, release, totalmem } from "node:os";

const require = createRequire(import.meta.url);

export type Machine = {
  readonly date: string;
  readonly processors: string;
  readonly memoryGiB: number;
  readonly system: string;
  /** Of the minute before the run. More than a little means that others were at work. */
  readonly loadBefore: number;
  readonly versions: Readonly<Record<string, string>>;
};

export function describeMachine({ etcd }: { etcd: boolean }): Machine {
  const all = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    processors: `${all.length} × ${all[0]?.model.trim() ?? "unknown"}`,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${process.platform} ${release()}`,
    loadBefore: loadavg()[0] ?? 0,
    versions: {
      memX: JSON.parse(readFileSync("package.json", "utf8")).version,
      node: process.versions.node,
      workerd: require("workerd/package.json").version,
      redis: version("redis-server"),
      ...(etcd && { etcd: version("etcd") }),
    },
  };
}

function version(program: string): string {
  return /\d+(\.\d+)+/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))?.[0] ?? "unknown";
}
