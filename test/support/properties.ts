// fast-check. The message of a failed property ends with the command that repeats it.

import fc from "fast-check";
import { expect, inject } from "vitest";
import { isLong } from "./long-runs.ts";

const seed = inject("propertySeed");

fc.configureGlobal({
  ...(seed !== undefined && { seed }),
  reporter(details) {
    if (!details.failed) return;
    const { testPath = "" } = expect.getState();
    const file = testPath.slice(testPath.lastIndexOf("/test/") + 1);
    const repeat = `${isLong ? "TEST_LONG=1 " : ""}PROPERTY_SEED=${details.seed} npx vitest run ${file}`;
    throw new Error(`${fc.defaultReportMessage(details)}\n\nRepeat it: ${repeat}`, { cause: details.errorInstance });
  },
});

export default fc;
