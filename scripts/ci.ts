// `npm run ci`: everything that CI checks. Goes on after a failure, and ends with one line that counts the checks: lint,
// types, known vulnerabilities, and each test.

import { spawnSync } from "node:child_process";
import { audit } from "./audit.ts";
import { testPython } from "./python.ts";
import { type Counts, runTests } from "./run-tests.ts";

/** Of the amounts of a long run, so that CI ends within 40 minutes. */
const LONG_SHARE = 0.1;

const steps: Readonly<Record<string, () => Counts>> = {
  "npm run lint": () => runScript("lint"),
  "npm run types": () => runScript("types"),
  "npm run audit": audit,
  "npm test and npm run test:long, without Python": () => runTests({ long: "all", share: LONG_SHARE }),
  "npm run test:python -- --long": () => testPython({ long: true, share: LONG_SHARE }),
};

const summary: string[] = [];
let [passed, failed] = [0, 0];
for (const [name, run] of Object.entries(steps)) {
  const startMs = performance.now();
  const counts = run();
  passed += counts.passed;
  failed += counts.failed;
  const seconds = Math.round((performance.now() - startMs) / 1000);
  summary.push(
    `${name}: ${counts.failed === 0 ? (counts.note ?? "good") : `${counts.failed} failed`} after ${seconds} s`,
    ...(counts.slowest ? [`  slowest: ${counts.slowest.join(", ")}`] : []),
    ...(counts.failures ?? []).map((failure) => `  ${failure}`),
  );
}
console.log(`\n${summary.join("\n")}\n\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function runScript(script: string): Counts {
  const { status } = spawnSync("npm", ["run", "--silent", script], { stdio: "inherit" });
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}
