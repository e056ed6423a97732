// `node scripts/frameworks.ts`: installs the agent frameworks that the adapters of the npm package are built and tested
// with, in sdk/typescript/node_modules. They are large, so `npm install` in the root leaves them out.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const PACKAGE = join(ROOT, "sdk/typescript");
const MODULES = join(PACKAGE, "node_modules");

/** Folders outside of the package with programs that import the frameworks. */
const USERS = ["test/adapters", "examples/adapters"];

/** Does nothing if the frameworks of the lock file are there. */
export function installFrameworks(): void {
  for (const folder of USERS) link(join(ROOT, folder, "node_modules"));
  const wanted = createHash("sha256")
    .update(readFileSync(join(PACKAGE, "package-lock.json")))
    .digest("hex");
  const stamp = join(MODULES, ".installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.log("Installing the frameworks of the adapters.");
  execFileSync("npm", ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: PACKAGE,
    stdio: "inherit",
  });
  writeFileSync(stamp, wanted);
}

function link(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })) return;
  symlinkSync(relative(join(path, ".."), MODULES), path, "junction");
}

if (import.meta.main) installFrameworks();
