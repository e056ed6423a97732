// Where the time of a request goes, for its `Server-Timing` header, in whole milliseconds. A Worker's clock stands still while it
// computes, so what is measured is waiting: for Supabase, for the store. `performance.now()` tells no more there, and takes longer.

import { tryGetContext } from "hono/context-storage";

/** Nothing where there is no request, as in a Durable Object, or its answer takes no more headers. */
export async function timed<T>(name: "access" | "schema" | "store", work: Promise<T>): Promise<T> {
  const timings = tryGetContext()?.get("timings" as never) as string[] | undefined;
  if (!timings) return work;
  const startMs = Date.now();
  try {
    return await work;
  } finally {
    timings.push(`${name};dur=${(Date.now() - startMs).toFixed(1)}`);
  }
}
