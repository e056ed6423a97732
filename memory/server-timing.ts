// Measures what a request waits for, for its `Server-Timing` header, in whole milliseconds. A Worker's clock stands still while
// it computes, so only waiting shows: for Supabase and for the store. `performance.now()` shows no more and costs more.

import { requestVariables } from "./request-context.ts";

/** @param ms a whole number */
export function timing(name: string, ms: number): string {
  return `${name};dur=${ms}.0`;
}

/** Adds the time that `work` takes to the current request, if there is one and its headers are still open. */
export async function timed<T>(name: "access" | "schema" | "store", work: Promise<T>): Promise<T> {
  const { timings } = requestVariables();
  if (!timings) return work;
  const startMs = Date.now();
  try {
    return await work;
  } finally {
    timings.push(timing(name, Date.now() - startMs));
  }
}
