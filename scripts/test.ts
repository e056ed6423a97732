// `npm test`: installs the programs that tests need, runs every test with coverage, and ends with one line that counts
// them. Without those programs it fails and says what to install; it leaves no test out.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Each program with its Debian package. */
const PROGRAMS = { "redis-server": "redis-server" };

const missing = Object.entries(PROGRAMS).filter(([program]) => !runs(program, "--version"));
if (missing.length > 0) install(missing.map(([, debianPackage]) => debianPackage));

const folder = mkdtempSync(join(tmpdir(), "memx-test-"));
const report = join(folder, "report.json");
const { status } = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--coverage",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { stdio: "inherit", env: { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: "false" } },
);
try {
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, "utf8"));
  console.log(`\n${numPassedTests} passed, ${numFailedTests} failed`);
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(status ?? 1);

/** With apt-get where that needs to ask nobody; elsewhere says what to install, and ends. */
function install(packages: string[]): void {
  const names = packages.join(" ");
  if (process.getuid?.() === 0 && runs("apt-get", "--version")) {
    console.log(`The tests need ${names}: installing with apt-get.`);
    // Runlevel 1 keeps Debian from starting the servers it installs; the tests start their own.
    const options = {
      stdio: "inherit",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    } as const;
    const done = [
      ["update", "-qq"],
      ["install", "-y", "-qq", "--no-install-recommends", ...packages],
    ].every((args) => spawnSync("apt-get", args, options).status === 0);
    if (done) return;
  }
  console.error(`The tests need ${names}. Install it first: apt-get install ${names}, or brew install redis.`);
  process.exit(1);
}

function runs(program: string, argument: string): boolean {
  return spawnSync(program, [argument], { stdio: "ignore" }).status === 0;
}
