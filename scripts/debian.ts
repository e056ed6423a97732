// Programs that npm does not install: finds their versions, and installs their Debian packages if this user may do
// that.

import { spawnSync } from "node:child_process";
import { programPath } from "./program-path.ts";

/**
 * The version that the program prints, such as "7.0.15"; "" if it prints none, `undefined` if there is no such program.
 */
export function versionOf(program: string, argument = "--version"): string | undefined {
  const { status, stdout, stderr } = spawnSync(programPath(program), [argument], { encoding: "utf8" });
  return status === 0 ? (/\b(?:v|go)?=?(\d+(\.\d+)+)/.exec(stdout || stderr)?.[1] ?? "") : undefined;
}

/** Returns whether the packages are installed now. */
export function installPackages(packages: readonly string[]): boolean {
  if (process.getuid?.() !== 0 || versionOf("apt-get") === undefined) return false;
  console.log(`Installing missing packages with apt-get: ${packages.join(" ")}.`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", ...packages],
  ].every((args) => {
    const { status, stdout, stderr } = spawnSync("apt-get", args, { encoding: "utf8", env });
    if (status !== 0) console.error(`apt-get ${args[0]} failed:\n${stdout}${stderr}`);
    return status === 0;
  });
}
