// Where the time of a request goes, for its `Server-Timing` header. A Worker's clock stands still while it computes, so what
// is measured is waiting: for Supabase, for the store.

import { tryGetContext } from "hono/context-storage";
import { setMetric } from "hono/timing";

/** Nothing where there is no request, as in a Durable Object, or its answer takes no more headers. */
export async function timed<T>(name: "access" | "schema" | "store", work: Promise<T>): Promise<T> {
  const c = tryGetContext();
  if (!c?.get("metric" as never)) return work;
  const startMs = performance.now();
  try {
    return await work;
  } finally {
    setMetric(c, name, performance.now() - startMs);
  }
}
