// The servers beside which memX is measured, and that npm does not bring. They come from apt where that asks nobody.

import { spawnSync } from "node:child_process";

/** @throws where one is missing and can not be installed, saying what to do */
export function needPrograms(programs: readonly string[]): void {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  const packages = missing.map((program) => (program === "etcd" ? "etcd-server" : program));
  if (process.getuid?.() === 0 && isInstalled("apt-get")) {
    console.log(`The bench needs ${packages.join(" ")}: installing with apt-get.`);
    const options = { stdio: "inherit", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
    const done = [
      ["update", "-qq"],
      ["install", "-y", "-qq", "--no-install-recommends", ...packages],
    ].every((args) => spawnSync("apt-get", args, options).status === 0);
    if (done) return;
  }
  throw new Error(
    `The bench needs ${packages.join(" ")}. Install it first: apt-get install ${packages.join(" ")}; or leave etcd out with --no-etcd.`,
  );
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}
