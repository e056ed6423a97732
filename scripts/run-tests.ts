// Installs the programs that the tests need, and runs Vitest. Without those programs it fails and says what to install:
// it leaves no test out.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { installPackages, versionOf } from "./debian.ts";

/** Each program with its Debian package, and the oldest major version that works. */
const PROGRAMS: readonly {
  readonly program: string;
  readonly debianPackage: string;
  readonly minVersion: number;
  readonly versionArgument?: string;
  /** Only `npm run test:long` needs it. */
  readonly long?: boolean;
}[] = [
  { program: "redis-server", debianPackage: "redis-server", minVersion: 7 },
  { program: "chromium", debianPackage: "chromium", minVersion: 120 },
  { program: "postgres", debianPackage: "postgresql", minVersion: 15 },
  { program: "promtool", debianPackage: "prometheus", minVersion: 2, long: true },
  { program: "nginx", debianPackage: "nginx-light", minVersion: 1, versionArgument: "-v", long: true },
  { program: "caddy", debianPackage: "caddy", minVersion: 2, versionArgument: "version", long: true },
  { program: "systemd-analyze", debianPackage: "systemd", minVersion: 250, long: true },
  { program: "go", debianPackage: "golang-go", minVersion: 1, versionArgument: "version", long: true },
];

/** A failure outside of all tests counts as one failed test. `note` says why a step counts nothing. */
export type Counts = {
  readonly passed: number;
  readonly failed: number;
  /** The failed tests, each with its file and the beginning of its message. */
  readonly failures?: readonly string[];
  /** The files, or for Python the tests, that took longest, each with its seconds. */
  readonly slowest?: readonly string[];
  readonly note?: string;
};

type TestOptions = {
  /** The tests of `npm run test:long` in place of those of `npm test`, or both at once. */
  readonly long: boolean | "all";
  /** The part of a long run's amounts. @default what LONG_SHARE says, or 1 */
  readonly share?: number;
  /** Of Vitest. */
  readonly args?: readonly string[];
};

export function runTests({ long, share, args = [] }: TestOptions): Counts {
  installPrograms(PROGRAMS.filter((program) => long || !program.long));
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
        env: {
          ...process.env,
          CLOUDFLARE_CF_FETCH_ENABLED: "false",
          TEST_LONG: long === "all" ? "all" : long ? "1" : "",
          ...(share && { LONG_SHARE: String(share) }),
        },
      },
    );
    if (!existsSync(report)) {
      console.error("\nThe tests ended without a report. The output above says why.");
      return { passed: 0, failed: 1 };
    }
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
    const failed = status === 0 ? numFailedTests : Math.max(numFailedTests, 1);
    return {
      passed: numPassedTests,
      failed,
      failures: testResults.flatMap(failuresOf),
      slowest: slowestOf(
        testResults.map(({ name, startTime, endTime }) => [
          relative(process.cwd(), name),
          (endTime - startTime) / 1_000,
        ]),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What memX reads of Vitest's JSON report. */
type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly FileResult[];
};

type FileResult = {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly fullName: string;
    readonly failureMessages: readonly string[];
  }[];
};

/** A file that fails outside of its tests is named alone. */
function failuresOf({ name, status, message, assertionResults }: FileResult): string[] {
  const file = relative(process.cwd(), name);
  const failed = assertionResults
    .filter((test) => test.status === "failed")
    .map((test) => describeFailure(`${file}: ${test.fullName}`, test.failureMessages.join("\n")));
  return status === "failed" && failed.length === 0 ? [describeFailure(file, message)] : failed;
}

const SLOWEST = 12;

/** The names that took longest, each with its seconds. */
export function slowestOf(times: readonly (readonly [name: string, seconds: number])[]): string[] {
  return times
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, SLOWEST)
    .map(([name, seconds]) => `${name} ${Math.round(seconds)} s`);
}

/** The lines of a failure's message that are shown with its test. The log has the rest. */
const MESSAGE_LINES = 8;

/** A failed test and the beginning of its message, indented. */
export function describeFailure(test: string, message: string): string {
  const lines = stripVTControlCharacters(message).split("\n").slice(0, MESSAGE_LINES);
  return [test, ...lines.map((line) => `      ${line.slice(0, 200)}`)].join("\n");
}

/** Ends the process if a program is missing or too old. */
function installPrograms(programs: typeof PROGRAMS): void {
  const missing = programs.filter(({ program, versionArgument }) => versionOf(program, versionArgument) === undefined);
  const packages = missing.map(({ debianPackage }) => debianPackage);
  if (packages.length > 0 && !installPackages(packages)) {
    const names = packages.join(" ");
    console.error(
      `The tests need ${names}. Install it first: apt-get install ${names}, or with brew: redis chromium postgresql go.`,
    );
    process.exit(1);
  }
  for (const { program, minVersion, versionArgument } of programs) {
    const version = versionOf(program, versionArgument) || "unknown";
    if (Number.parseInt(version, 10) >= minVersion) continue;
    console.error(`The tests need ${program} ${minVersion} or later: the one on the path is version ${version}.`);
    process.exit(1);
  }
}
