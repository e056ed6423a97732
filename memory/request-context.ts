// What the rest of memX may know of the request it works for: its id, and where it notes how long it waited. A Durable Object
// has no request, and neither has the scheduled sweep.

import { tryGetContext } from "hono/context-storage";

export type RequestVariables = {
  /** Names the request in its response and in the log. */
  requestId: string;
  /** Entries of the `Server-Timing` header. */
  timings: string[];
};

/** Returns an empty object if there is no request. */
export function requestVariables(): Partial<RequestVariables> {
  return tryGetContext<{ Variables: RequestVariables }>()?.var ?? {};
}
