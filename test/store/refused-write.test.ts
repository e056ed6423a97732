// Errors of Redis and Upstash for a write, in their own words. test/process/redis-full.test.ts makes a real Redis send some.

import { expect, it } from "vitest";
import { refusedWrite } from "../../memory/store/redis/refused-write.ts";

it.each([
  ["full", "OOM command not allowed when used memory > 'maxmemory'. script: a8e0, on @user_script:1."],
  ["full", "ERR DB capacity quota exceeded"],
  ["full", "MISCONF Errors writing to the AOF file: No space left on device"],
  ["read_only", "READONLY You can't write against a read only replica."],
  [
    "read_only",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled.",
  ],
  ["read_only", "MISCONF Errors writing to the AOF file: Input/output error"],
  ["read_only", "NOREPLICAS Not enough good replicas to write."],
  [undefined, ""],
  [undefined, "NOSCRIPT No matching script. Please use EVAL."],
  [undefined, "ERR Error running script: OOM command not allowed"],
  [undefined, "WRONGPASS invalid or missing auth token"],
  [undefined, 'ERR unknown command, with args beginning with: "READONLY "'],
])("is %s: %s", (reason, error) => {
  expect(refusedWrite(error)).toBe(reason);
});
