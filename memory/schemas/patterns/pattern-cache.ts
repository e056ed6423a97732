// The patterns that this isolate has compiled. A compiled schema keeps only the source of its patterns, because a few
// characters can make a large program, and the isolate keeps thousands of schemas.

import { LRUCache } from "lru-cache";
import type { WorkMeter } from "../work-meter.ts";
import { compilePattern, type Pattern } from "./compile-pattern.ts";

// The size is in steps, of about 100 bytes each.
const compiled = new LRUCache<string, Pattern>({ maxSize: 100_000, sizeCalculation: ({ size }) => size });

/** Only for a source that `compilePattern` has already accepted. @throws {WorkExceeded} */
export function patternOf(source: string, meter: WorkMeter): Pattern {
  let pattern = compiled.get(source);
  if (!pattern) {
    pattern = compilePattern(source, meter);
    compiled.set(source, pattern);
  }
  return pattern;
}
