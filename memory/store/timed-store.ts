// Wraps a store so that each call shows in the `Server-Timing` header of its request, and in the metrics if they are on.

import { METRICS } from "../metrics.ts";
import { timed } from "../server-timing.ts";
import type { Store } from "./store.ts";

export function timedStore(store: Store, { metered }: { metered: boolean }): Store {
  const members = Object.entries(store).map(([name, member]) => {
    if (typeof member !== "function") return [name, member];
    const metric = name === "readSchema" ? "schema" : "store";
    const call = (args: unknown[]) => timed(metric, member.apply(store, args));
    return [name, (...args: unknown[]) => (metered ? measure(name, call(args)) : call(args))];
  });
  return Object.fromEntries(members);
}

async function measure<T>(operation: string, work: Promise<T>): Promise<T> {
  const startMs = Date.now();
  const end = (outcome: "done" | "failed") =>
    METRICS.storeSeconds.observe(Math.max(0, Date.now() - startMs) / 1_000, operation, outcome);
  try {
    const result = await work;
    end("done");
    return result;
  } catch (error) {
    end("failed");
    throw error;
  }
}
