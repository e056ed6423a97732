// Describes the machine and the versions of a run, and checks that the machine can run the bench.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, release, totalmem } from "node:os";
import { installPackages, versionOf } from "../scripts/debian.ts";
import { buildNats, findNats } from "./contestants/nats.ts";

const require = createRequire(import.meta.url);

export type Machine = {
  readonly date: string;
  readonly processors: string;
  readonly memoryGiB: number;
  readonly system: string;
  /** Load average of the minute before the run. A high one means that other programs used the machine. */
  readonly loadBefore: number;
  readonly versions: Readonly<Record<string, string>>;
};

export function describeMachine({ etcd, nats }: { etcd: boolean; nats: boolean }): Machine {
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
      redis: versionOf("redis-server") ?? "",
      ...(etcd && { etcd: versionOf("etcd") ?? "" }),
      ...(nats && { nats: versionOf(findNats() ?? "") ?? "" }),
    },
  };
}

/** @throws {Error} if the system is not Linux */
export function needLinux(): void {
  if (process.platform === "linux") return;
  throw new Error("The bench needs Linux: it reads the processor time and memory of processes from /proc.");
}

/** The servers that npm does not bring, each with its Debian package. */
const PACKAGES = { "redis-server": "redis-server", etcd: "etcd-server", "nats-server": "nats-server" } as const;

/** @throws {Error} that says what to install, if a program is missing and cannot be installed */
export function needPrograms(programs: readonly (keyof typeof PACKAGES)[]): void {
  const isThere = (program: string) => (program === "nats-server" ? findNats() : versionOf(program)) !== undefined;
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length > 0) installPackages(missing.map((program) => PACKAGES[program]));
  // Debian 12 has one that is too old.
  if (missing.includes("nats-server") && !isThere("nats-server")) buildNats();
  const names = missing.filter((program) => !isThere(program)).map((program) => PACKAGES[program]);
  if (names.length === 0) return;
  throw new Error(
    `The bench needs ${names.join(" ")}. Install it first: apt-get install ${names.join(" ")}. ` +
      "nats-server must be 2.10 or later. etcd can be left out with --no-etcd, and NATS with --no-nats.",
  );
}

/** How many sockets workerd can hold here. It needs two files for each, and exits when it cannot open more. */
export function mostSockets(): number {
  // Node raises its own limit to the hard limit, and child processes inherit it.
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return hard === undefined ? Number.POSITIVE_INFINITY : (Number(hard) - 500) / 2;
}
