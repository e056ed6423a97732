// Wraps a store so that each call shows in the `Server-Timing` header of its request.

import { timed } from "../server-timing.ts";
import type { Store } from "./store.ts";

export function timedStore(store: Store): Store {
  const members = Object.entries(store).map(([name, member]) => {
    if (typeof member !== "function") return [name, member];
    const metric = name === "readSchema" ? "schema" : "store";
    return [name, (...args: unknown[]) => timed(metric, member.apply(store, args))];
  });
  return Object.fromEntries(members);
}
