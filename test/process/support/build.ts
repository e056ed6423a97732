// Builds dist/ once, before the tests that serve it.

import { execFileSync } from "node:child_process";

export default function build(): void {
  execFileSync(process.execPath, ["scripts/build.ts"]);
}
