// Installs the programs that the tests need, and runs Vitest. Without those programs it fails and says what to install:
// it leaves no test out.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages, versionOf } from "./debian.ts";

/** Each program with its Debian package, and the oldest major version that works. */
const PROGRAMS = [
  { program: "redis-server", debianPackage: "redis-server", minVersion: 7 },
  { program: "chromium", debianPackage: "chromium", minVersion: 120 },
  { program: "postgres", debianPackage: "postgresql", minVersion: 15 },
];

/** A failure outside of all tests counts as one failed test. */
export type Counts = { readonly passed: number; readonly failed: number };

/** Runs the tests of `npm test`, or those of `npm run test:long`. `args` are Vitest's own. */
export function runTests({ long, args = [] }: { long: boolean; args?: readonly string[] }): Counts {
  installPrograms();
  const folder = mkdtempSync(join(tmpdir(), "memx-test-"));
  const report = join(folder, "report.json");
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        "node_modules/vitest/vitest.mjs",
        "run",
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${report}`,
        ...args,
      ],
      {
        stdio: "inherit",
        env: { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: "false", TEST_LONG: long ? "1" : "" },
      },
    );
    if (!existsSync(report)) {
      console.error("\nThe tests ended without a report. The output above says why.");
      return { passed: 0, failed: 1 };
    }
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, "utf8"));
    return { passed: numPassedTests, failed: status === 0 ? numFailedTests : Math.max(numFailedTests, 1) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Ends the process if a program is missing or too old. */
function installPrograms(): void {
  const missing = PROGRAMS.filter(({ program }) => versionOf(program) === undefined);
  const packages = missing.map(({ debianPackage }) => debianPackage);
  if (packages.length > 0 && !installPackages(packages)) {
    const names = packages.join(" ");
    console.error(
      `The tests need ${names}. Install it first: apt-get install ${names}, or brew install redis chromium postgresql.`,
    );
    process.exit(1);
  }
  for (const { program, minVersion } of PROGRAMS) {
    const version = versionOf(program) || "unknown";
    if (Number.parseInt(version, 10) >= minVersion) continue;
    console.error(`The tests need ${program} ${minVersion} or later: the one on the path is version ${version}.`);
    process.exit(1);
  }
}
