// `npm run soak -- --minutes 10`: one tenant sends expensive requests for that long on each engine while another measures
// its latency. Prints a line of JSON with the figures of each engine, and fails if the p99 of the other tenant is too high. Needs
// an otherwise idle machine. `--kinds 'a history,a big value'` sends only those, `--each` one kind after the other,
// and `--concurrency 4` four at a time.

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { EXPENSIVE_KINDS } from "../test/fuzz/expensive-requests.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now()) },
    engine: { type: "string", default: "" },
    kinds: { type: "string", default: "" },
    concurrency: { type: "string", default: "24" },
    each: { type: "boolean", default: false },
    "max-p99": { type: "string", default: "250" },
  },
});
let failed = false;
for (const kinds of values.each ? EXPENSIVE_KINDS : [values.kinds]) {
  const { status } = spawnSync(
    process.execPath,
    [
      ...["node_modules/vitest/vitest.mjs", "run", "--project", "process", "test/process/soak.test.ts"],
      ...(values.engine ? ["--testNamePattern", `on ${values.engine}`] : []),
    ],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        TEST_LONG: "1",
        SOAK_MINUTES: values.minutes,
        SOAK_SEED: values.seed,
        SOAK_KINDS: kinds,
        SOAK_CONCURRENCY: values.concurrency,
        SOAK_MAX_P99_MS: values["max-p99"],
      },
    },
  );
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
