// `npm test`, `npm run test:long` and `npm run coverage`. Ends with one line that counts the tests. Passes every argument
// except --long on to Vitest, and leaves the Python client out if there is one.

import { testPython } from "./python.ts";
import { runTests } from "./run-tests.ts";

const long = process.argv.includes("--long");
const args = process.argv.slice(2).filter((arg) => arg !== "--long");
const all = [runTests({ long, args })];
if (args.length === 0) all.push(testPython({ long }));
const passed = all.reduce((sum, counts) => sum + counts.passed, 0);
const failed = all.reduce((sum, counts) => sum + counts.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
