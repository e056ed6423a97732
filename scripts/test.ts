// `npm test`: installs the programs that tests need, runs every test with coverage, and ends with one line that counts
// them. Without those programs it fails and says what to install; it leaves no test out.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages, versionOf } from "./debian.ts";

/** Each program with its Debian package, and the oldest major version that will do. */
const PROGRAMS = [
  { program: "redis-server", debianPackage: "redis-server", minVersion: 7 },
  { program: "chromium", debianPackage: "chromium", minVersion: 120 },
  { program: "postgres", debianPackage: "postgresql", minVersion: 15 },
];

const missing = PROGRAMS.filter(({ program }) => versionOf(program) === undefined);
if (missing.length > 0) install(missing.map(({ debianPackage }) => debianPackage));
for (const { program, minVersion } of PROGRAMS) {
  const version = versionOf(program) || "unknown";
  if (Number.parseInt(version, 10) >= minVersion) continue;
  console.error(`The tests need ${program} ${minVersion} or later: the one on the path is version ${version}.`);
  process.exit(1);
}

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
  if (!existsSync(report)) {
    console.error("\nThe tests ended without a report: what ended them stands above.");
    process.exit(status || 1);
  }
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, "utf8"));
  console.log(`\n${numPassedTests} passed, ${numFailedTests} failed`);
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(status ?? 1);

/** Or says what to install, and ends. */
function install(packages: string[]): void {
  if (installPackages(packages)) return;
  const names = packages.join(" ");
  console.error(
    `The tests need ${names}. Install it first: apt-get install ${names}, or brew install redis chromium postgresql.`,
  );
  process.exit(1);
}
