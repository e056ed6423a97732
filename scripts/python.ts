// `npm run test:python -- [--long] [--report FILE] [pytest arguments]`: checks and tests the Python client. Makes an
// environment in sdk/python/.venv, with the packages of requirements-dev.txt. Ends with one line that counts the tests,
// and writes pytest's report as JUnit XML, by default to sdk/python/.venv/report.xml.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { installPackages } from "./debian.ts";
import { type Counts, describeFailure, slowestOf } from "./run-tests.ts";

const FOLDER = join(import.meta.dirname, "../sdk/python");
const VENV = join(FOLDER, ".venv");
const PYTHON = join(VENV, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
const REQUIREMENTS = join(FOLDER, "requirements-dev.txt");
const OLDEST_MINOR = 10;
/**
 * The tests wait more than they compute, so that three processes end sooner than one on two processors. Coverage that is
 * too low fails the run.
 */
const WHOLE = ["--numprocesses=3", "--dist=worksteal", "--cov", "--cov-report=term"];

if (import.meta.main) {
  const { passed, failed } = testPython(readArguments(process.argv.slice(2)));
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

/** Counts a failure outside of all tests, for example of the type check, as one failed test. */
export function testPython({ long, share, report = join(VENV, "report.xml"), args = [] }: Options): Counts {
  try {
    prepare();
    const sources = [".", join(FOLDER, "../../examples")];
    run("ruff", ["-m", "ruff", "check", "--quiet", ...sources]);
    run("ruff format", ["-m", "ruff", "format", "--check", "--quiet", ...sources]);
    run("pyright", ["-m", "pyright", "--pythonpath", PYTHON]);
    rmSync(report, { force: true });
    const pytest = ["-m", "pytest", "-q", `--junitxml=${report}`, ...(long ? ["-m", "long or not long"] : []), ...args];
    const isWhole = args.length === 0;
    const { status } = python(
      isWhole ? [...pytest, ...WHOLE] : pytest,
      share === undefined ? {} : { LONG_SHARE: String(share) },
    );
    if (!existsSync(report)) throw new Error("pytest ended without a report. The output above says why.");
    const counts = count(readFileSync(report, "utf8"));
    return { ...counts, failed: status === 0 ? counts.failed : Math.max(counts.failed, 1) };
  } catch (error) {
    console.error(`\n${(error as Error).message}`);
    return { passed: 0, failed: 1 };
  }
}

type Options = {
  /** Also the tests that take long. */
  readonly long: boolean;
  /** As that of `runTests`. */
  readonly share?: number;
  readonly report?: string;
  readonly args?: readonly string[];
};

function readArguments(all: string[]): Options {
  const rest = all.filter((arg) => arg !== "--long");
  const at = rest.indexOf("--report");
  const [, file] = at === -1 ? [] : rest.splice(at, 2);
  return { long: all.includes("--long"), ...(file && { report: resolve(file) }), args: rest };
}

/** Makes the environment, unless it has the packages already. */
function prepare(): void {
  const wanted = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
  const stamp = join(VENV, "installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && python(["-c", ""]).status === 0) return;
  console.log("Installing what the tests of the Python client need.");
  rmSync(VENV, { recursive: true, force: true });
  if (!makeVenv() && !(installPackages(["python3", "python3-venv"]) && makeVenv())) {
    throw new Error(
      `The Python client needs Python 3.${OLDEST_MINOR} or later with venv. Install it first: ` +
        "apt-get install python3 python3-venv, or brew install python.",
    );
  }
  const { status } = python(["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", REQUIREMENTS]);
  if (status !== 0)
    throw new Error("pip could not install sdk/python/requirements-dev.txt. The output above says why.");
  writeFileSync(stamp, wanted);
}

/** Tries the newest Python first. */
function makeVenv(): boolean {
  const minors = [14, 13, 12, 11, 10].map((minor) => `python3.${minor}`);
  return [...minors, "python3", "python"].some((command) => {
    const isNewEnough = `import sys, ensurepip; sys.exit(sys.version_info < (3, ${OLDEST_MINOR}))`;
    if (spawnSync(command, ["-c", isNewEnough]).status !== 0) return false;
    return spawnSync(command, ["-m", "venv", VENV]).status === 0;
  });
}

function run(name: string, args: string[]): void {
  if (python(args).status !== 0) throw new Error(`${name} found the faults above in the Python client.`);
}

function python(args: string[], settings: NodeJS.ProcessEnv = {}): { status: number | null } {
  // pyright is a program for Node: it gets the one that npm has installed.
  const path = [join(import.meta.dirname, "../node_modules/.bin"), process.env.PATH].join(delimiter);
  const env = { ...process.env, ...settings, PATH: path, PYRIGHT_PYTHON_IGNORE_WARNINGS: "1" };
  return spawnSync(PYTHON, args, { cwd: FOLDER, stdio: "inherit", env });
}

/** The counts of a JUnit report, and the names of failed and slow tests. A test that is skipped is not counted. */
function count(xml: string): Counts {
  const suite = /<testsuite [^>]*>/.exec(xml)?.[0] ?? "";
  const attribute = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = attribute("failures") + attribute("errors");
  const failures = xml.matchAll(
    /<testcase classname="([^"]*)" name="([^"]*)"[^>]*><(?:failure|error) message="([^"]*)"/g,
  );
  const times = xml.matchAll(/<testcase classname="([^"]*)" name="([^"]*)" time="([^"]*)"/g);
  return {
    passed: Math.max(0, attribute("tests") - failed - attribute("skipped")),
    failed,
    failures: [...failures].map(([, file, test, message = ""]) =>
      describeFailure(`${file}: ${test}`, unescapeXml(message)),
    ),
    slowest: slowestOf([...times].map(([, file, test, seconds]) => [`${file}: ${test}`, Number(seconds)])),
  };
}

function unescapeXml(text: string): string {
  const named: Record<string, string> = { quot: '"', apos: "'", lt: "<", gt: ">", amp: "&" };
  return text.replaceAll(/&(?:#(\d+)|(\w+));/g, (all, code, name) =>
    code ? String.fromCodePoint(Number(code)) : (named[name] ?? all),
  );
}
