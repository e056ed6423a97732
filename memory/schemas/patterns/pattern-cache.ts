// The patterns this isolate has compiled. Schemas keep only the source: a few characters can make a large program, and
// thousands of schemas are kept.

import { LRUCache } from "lru-cache";
import { compilePattern, type Pattern } from "./compile-pattern.ts";

// Steps, of about 100 bytes each.
const compiled = new LRUCache<string, Pattern>({ maxSize: 100_000, sizeCalculation: ({ size }) => size });

/** The pattern, which compilePattern has been seen to take. */
export function patternOf(source: string): Pattern {
  let pattern = compiled.get(source);
  if (!pattern) {
    pattern = compilePattern(source);
    compiled.set(source, pattern);
  }
  return pattern;
}
