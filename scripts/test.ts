// `npm test`, `npm run test:long` and `npm run coverage`. Ends with one line that counts the tests. Passes every argument
// except --long on to Vitest.

import { runTests } from "./run-tests.ts";

const args = process.argv.slice(2);
const { passed, failed } = runTests({ long: args.includes("--long"), args: args.filter((arg) => arg !== "--long") });
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
