// The order of test files: the longest first, so that no worker waits at the end while another one runs a long file.

import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Estimates for a machine on which no run has left its durations, in seconds. The first match counts. */
const ESTIMATES: readonly [name: RegExp, seconds: number][] = [
  [/process\/dashboard(-barriers|-keyboard|-scale)?\./, 90],
  [/simulation/, 30],
  [
    /process\/(redis-failures|docker|start|supabase|redis-bridge|sdk-feed|soak|connect-fuzz|kills|example|dev|mcp-team)\./,
    20,
  ],
  [/process\//, 10],
  [/store\/|sdk\/subscriptions|feed\/expire|work-queue|retries/, 6],
  [/http\/|feed\/|guarantees\/|sdk\//, 3],
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((a, b) => this.#seconds(b) - this.#seconds(a));
  }

  #seconds(file: TestSpecification): number {
    const last = this.ctx.cache.getTestSpecificationResult(file);
    if (last) return last.duration / 1000;
    return ESTIMATES.find(([name]) => name.test(file.moduleId))?.[1] ?? 1;
  }
}
