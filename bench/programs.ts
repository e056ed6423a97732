// The servers beside which memX is measured, and that npm does not bring.

import { installPackages, versionOf } from "../scripts/debian.ts";

/** Each program with its Debian package. */
const PACKAGES = { "redis-server": "redis-server", etcd: "etcd-server" } as const;

/** @throws where one is missing and can not be installed, saying what to do */
export function needPrograms(programs: readonly (keyof typeof PACKAGES)[]): void {
  const missing = programs.filter((program) => versionOf(program) === undefined).map((program) => PACKAGES[program]);
  if (missing.length === 0 || installPackages(missing)) return;
  const names = missing.join(" ");
  throw new Error(
    `The bench needs ${names}. Install it first: apt-get install ${names}; etcd can be left out with --no-etcd.`,
  );
}
