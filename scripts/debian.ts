// Programs that npm does not bring: whether they are here, and from Debian's packages where that needs to ask nobody.

import { spawnSync } from "node:child_process";
import { programPath } from "./program-path.ts";

/** As `--version` tells: "7.0.15"; empty where it tells none, `undefined` where there is no such program. */
export function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(programPath(program), ["--version"], { encoding: "utf8" });
  return status === 0 ? (/\bv?=?(\d+(\.\d+)+)/.exec(stdout)?.[1] ?? "") : undefined;
}

/** Whether they are installed now. */
export function installPackages(packages: readonly string[]): boolean {
  if (process.getuid?.() !== 0 || versionOf("apt-get") === undefined) return false;
  console.log(`Missing here: ${packages.join(" ")}. Installing with apt-get.`);
  const options = { stdio: "inherit", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
  return [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", ...packages],
  ].every((args) => spawnSync("apt-get", args, options).status === 0);
}
