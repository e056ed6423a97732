// Measures what a request waits for, for its `Server-Timing` header, in whole milliseconds. A Worker's clock stands still while
// it computes, so only waiting shows: for Supabase and for the store. `performance.now()` shows no more and costs more.

import { requestVariables } from "./request-context.ts";

/** Adds the time that `work` takes to the current request, if there is one and its headers are still open. */
export async function timed<T>(name: "access" | "schema" | "store", work: Promise<T>): Promise<T> {
  const { timings } = requestVariables();
  if (!timings) return work;
  const startMs = Date.now();
  try {
    return await work;
  } finally {
    timings.push(`${name};dur=${(Date.now() - startMs).toFixed(1)}`);
  }
}
