// What the rest of memX may know of the request it works for: its id, where it notes how long it waited, and
// what work it may do. A Durable Object
// has no request, and neither has the scheduled sweep.

import { AsyncLocalStorage } from "node:async_hooks";
import { tryGetContext } from "hono/context-storage";
import type { WorkShare } from "./work-share.ts";

export type RequestVariables = {
  /** Names the request in its response and in the log. */
  requestId: string;
  /** Entries of the `Server-Timing` header. */
  timings: string[];
  /** What is left of the caller's share of this isolate's time. Absent where it is not limited. */
  workShare?: WorkShare | undefined;
};

/** Of calls that are not requests of their own, because they come over a socket. */
const calls = new AsyncLocalStorage<Partial<RequestVariables>>();

/** Returns an empty object if there is no request. */
export function requestVariables(): Partial<RequestVariables> {
  return calls.getStore() ?? tryGetContext<{ Variables: RequestVariables }>()?.var ?? {};
}

/** Runs `work`, and all that it starts, with these variables instead of those of the request that opened the socket. */
export function withVariables<T>(variables: Partial<RequestVariables>, work: () => T): T {
  return calls.run(variables, work);
}
