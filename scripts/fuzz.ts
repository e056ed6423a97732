// `npm run fuzz -- --requests 100000 --seed 7`: sends random requests to memX on each engine, and prints a line of JSON
// with figures for each.

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now()) },
    engine: { type: "string", default: "" },
  },
});
const { status } = spawnSync(
  process.execPath,
  [
    ...["node_modules/vitest/vitest.mjs", "run", "--project", "process", "test/process/fuzz.test.ts"],
    ...(values.engine ? ["--testNamePattern", `on ${values.engine}`] : []),
  ],
  { stdio: "inherit", env: { ...process.env, FUZZ_REQUESTS: values.requests, FUZZ_SEED: values.seed } },
);
process.exit(status ?? 1);
